"""The generator with Gaussian output noise."""

import pytest
import torch
from torch import nn

from ebmood.networks import NoisyGenerator


def test_samples_have_the_mean_g_and_the_standard_deviation_sigma(noise):
    generator = NoisyGenerator(nn.Linear(2, 3), 2, 0.2, (0.01, 0.3))
    x, h = generator.sample(20_000, noise)
    residuals = (x - generator(h)).detach()
    assert h.shape == (20_000, 2)
    assert residuals.mean(0).abs().max() < 4 * 0.2 / 20_000**0.5
    torch.testing.assert_close(residuals.std(0), torch.full((3,), 0.2), rtol=0.03, atol=0)


def test_samples_carry_gradients_of_the_network_and_of_sigma(noise):
    generator = NoisyGenerator(nn.Linear(2, 3), 2, 0.2, (0.01, 0.3))
    generator.sample(10, noise)[0].square().sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in generator.parameters())


@pytest.mark.parametrize(("sigma", "clamped"), [(0.001, 0.01), (0.1, 0.1), (5.0, 0.3)])
def test_clamp_restricts_sigma_to_its_bounds(sigma, clamped):
    generator = NoisyGenerator(nn.Linear(2, 3), 2, sigma, (0.01, 0.3))
    generator.clamp()
    assert generator.log_sigma.exp().item() == pytest.approx(clamped)
