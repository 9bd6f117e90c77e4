"""Langevin chains: their formula, and the densities that they sample."""

import torch

from ebmood.models import EnergyModel
from ebmood.networks import WideResNet, precision
from ebmood.samplers import SGLD


def score_of_standard_normal(x):
    return -x


def test_matched_noise_leaves_a_standard_normal_invariant(noise):
    a = 0.02
    x = torch.randn(8000, 2, generator=noise)
    x = SGLD(steps=300, step_size=a, noise=(2 * a) ** 0.5).sample(score_of_standard_normal, x, noise)
    assert x.mean(0).abs().max() < 4 / 8000**0.5
    # The discretisation has the stationary variance 1 / (1 - a / 2); the rest is sampling error.
    assert (x.var(0) - 1 / (1 - a / 2)).abs().max() < 4 * (2 / 8000) ** 0.5
    assert (x.pow(4).mean(0) - 3).abs().max() < 0.4
    assert abs(float((x[:, 0] * x[:, 1]).mean())) < 4 / 8000**0.5


def test_chains_with_the_published_noise_collapse_to_the_mode(noise):
    x = torch.randn(1000, 2, generator=noise)
    x = SGLD(steps=300, step_size=0.02, noise=0.01).sample(score_of_standard_normal, x, noise)
    assert x.std() < 0.1


def test_one_step_follows_the_formula(noise):
    x = torch.randn(5, 3, generator=noise)
    expected = x - 0.3 * x
    result = SGLD(steps=1, step_size=0.3, noise=0.0).sample(score_of_standard_normal, x.clone(), noise)
    torch.testing.assert_close(result, expected)


def test_starting_points_are_not_modified(noise):
    x = torch.ones(5, 3)
    SGLD(steps=2).sample(score_of_standard_normal, x, noise)
    assert torch.equal(x, torch.ones(5, 3))


def test_clipped_chains_stay_in_the_interval(noise):
    chain = SGLD(steps=20, step_size=1.0, noise=2.0, clip=(-0.5, 0.25))
    x = chain.sample(score_of_standard_normal, torch.zeros(100, 2), noise)
    assert x.min() >= -0.5
    assert x.max() <= 0.25


def test_bf16_gradients_are_close_to_float32_and_do_not_change_noise_or_weights(noise, monkeypatch):
    # A processor without bfloat16 emulates it, slowly.
    monkeypatch.setattr(precision, "supports_bf16", lambda device: True)
    torch.manual_seed(0)
    model = EnergyModel(WideResNet(1, 1, activation_name="silu"))
    x = torch.rand(4, 1, 8, 8)
    full, half = (
        SGLD(steps=3, step_size=0.1, precision=precision_name).run(model, x, None, noise.manual_seed(1))
        for precision_name in (None, "bf16")
    )
    assert half.dtype == torch.float32
    distance = (full - x).norm()
    assert 0 < (half - full).norm() < 0.05 * distance
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
