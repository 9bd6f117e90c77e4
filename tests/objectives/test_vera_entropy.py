"""VERA's entropy gradient against the closed form of a linear generator, x ~ N(0, A A' + sigma^2 I)."""

import pytest
import torch
from torch import nn

from ebmood.models import EnergyModel
from ebmood.networks import NoisyGenerator
from ebmood.objectives import VERA, Batch, VariationalEntropy

SIGMA = 0.3


class Zero(nn.Module):
    def forward(self, x):
        return x.new_zeros(len(x), 1)


@pytest.fixture
def vera(noise) -> VariationalEntropy:
    linear = nn.Linear(2, 3, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, 0.2], [-0.4, 0.8], [0.3, 0.5]]))
    settings = VERA(noise=2, entropy_weight=1.0, posterior_samples=1000, posterior_width=0.4)
    return VariationalEntropy(EnergyModel(Zero()), NoisyGenerator(linear, 2, SIGMA, (0.01, 0.3)), settings)


@pytest.fixture
def covariance(vera):
    weight = vera.generator.network.weight.detach()
    return weight @ weight.T + SIGMA**2 * torch.eye(3)


def test_the_gradient_is_minus_the_score_of_the_generator(vera, covariance, noise):
    x, h = vera.generator.sample(500, noise)
    x = x.detach()
    direction = vera.entropy_gradient(x, h, torch.randn(1000, 500, 2, generator=noise))
    exact = x @ torch.linalg.inv(covariance)
    assert torch.linalg.norm(direction - exact) / torch.linalg.norm(exact) < 0.15


def test_gradient_of_the_entropy(vera, covariance, noise):
    """H = log det(A A' + sigma^2 I) / 2 + const, with gradients S^-1 A and sigma^2 tr S^-1 (for log sigma)."""
    weight = vera.generator.network.weight
    inverse = torch.linalg.inv(covariance)
    batch = Batch(torch.zeros(1000, 3), None)
    repeats = 12
    for _ in range(repeats):
        loss, _ = vera.generator_loss(batch, noise)
        loss.backward()
    found, exact = -weight.grad / repeats, inverse @ weight.detach()
    assert torch.linalg.norm(found - exact) / torch.linalg.norm(exact) < 0.1
    exact_sigma = SIGMA**2 * inverse.trace()
    assert float(-vera.generator.log_sigma.grad / repeats) == pytest.approx(float(exact_sigma), rel=0.1)


def test_posterior_width_moves_towards_the_true_posteriors(vera, noise):
    """The bound is highest where eta^2 is one over the diagonal of the posterior precision I + A'A / sigma^2."""
    weight = vera.generator.network.weight.detach()
    best = (1 + weight.square().sum(0) / SIGMA**2).rsqrt()
    optimiser = torch.optim.Adam([vera.log_eta], lr=0.02)
    batch = Batch(torch.zeros(2000, 3), None)
    for _ in range(200):
        loss, _ = vera.posterior_loss(batch, noise)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.testing.assert_close(vera.log_eta.detach().exp(), best, rtol=0.1, atol=0.0)
