"""The noise-conditional energy against its formula."""

import pytest
import torch

from ebmood.models import DenoisingEnergy, TiedMixture
from ebmood.networks import MLP


@pytest.fixture
def model() -> DenoisingEnergy:
    torch.manual_seed(0)
    return DenoisingEnergy(TiedMixture(2, 1), MLP(2, (8,), 3, "silu"), (0.3, 1.0, 2.0))


def test_log_densities_are_the_smoothed_base_plus_the_scaled_network(model, noise):
    x = torch.randn(10, 2, generator=noise)
    log_densities = model.log_densities(x)
    for level, sigma in enumerate((0.3, 1.0, 2.0)):
        variance = 1 + sigma**2
        base = -0.5 * x.square().sum(1) / variance - torch.log(torch.tensor(2 * torch.pi * variance))
        expected = base + model.network(x)[:, level] / sigma
        torch.testing.assert_close(log_densities[:, level].float(), expected)


def test_the_log_density_is_that_of_the_first_level(model, noise):
    x = torch.randn(10, 2, generator=noise)
    assert torch.equal(model.log_density(x), model.log_densities(x)[:, 0])
