"""VERA: the gradient of the entropy against the closed form of a linear generator, and the energy that it learns."""

import pytest
import torch
from helpers.quadratic import fit_precision
from torch import nn

from ebmood.core.errors import EbmoodError
from ebmood.models import AnchoredEnergy, EnergyModel, TiedMixture
from ebmood.networks import MLP, NoisyGenerator
from ebmood.objectives import VERA, AdamW, Batch, VariationalEntropy
from ebmood.training import Training

SIGMA = 0.3


class Zero(nn.Module):
    def forward(self, x):
        return x.new_zeros(len(x), 1)


@pytest.fixture
def vera(noise) -> VariationalEntropy:
    """A linear generator: x ~ N(0, A A' + sigma^2 I)."""
    linear = nn.Linear(2, 3, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, 0.2], [-0.4, 0.8], [0.3, 0.5]]))
    settings = VERA(noise=2, entropy_weight=1.0, posterior_samples=1000, posterior_width=0.4)
    return VariationalEntropy(EnergyModel(Zero()), NoisyGenerator(linear, 2, SIGMA, (0.01, 0.3)), settings)


@pytest.fixture
def covariance(vera):
    weight = vera.generator.network.weight.detach()
    return weight @ weight.T + SIGMA**2 * torch.eye(3)


def test_the_direction_is_minus_the_score_of_the_generator(vera, covariance, noise):
    x, h = vera.generator.sample(500, noise)
    x = x.detach()
    direction = vera.entropy_gradient(x, h, torch.randn(1000, 500, 2, generator=noise))
    exact = x @ torch.linalg.inv(covariance)
    assert torch.linalg.norm(direction - exact) / torch.linalg.norm(exact) < 0.15


def test_the_gradient_of_the_entropy_has_a_closed_form(vera, covariance, noise):
    """H = log det(S) / 2 + const, S = A A' + sigma^2 I, with gradients S^-1 A and (for log sigma) sigma^2 tr S^-1."""
    weight = vera.generator.network.weight
    inverse = torch.linalg.inv(covariance)
    batch = Batch(torch.zeros(1000, 3), None)
    repeats = 12
    for _ in range(repeats):
        loss, _ = vera.generator_loss(batch, noise)
        loss.backward()
    estimate, exact = -weight.grad / repeats, inverse @ weight.detach()
    assert torch.linalg.norm(estimate - exact) / torch.linalg.norm(exact) < 0.1
    exact_sigma = SIGMA**2 * inverse.trace()
    assert float(-vera.generator.log_sigma.grad / repeats) == pytest.approx(float(exact_sigma), rel=0.1)


def test_the_posterior_width_converges_to_that_of_the_true_posteriors(vera, noise):
    """The bound is highest if eta^2 is the inverse diagonal of the posterior precision I + A'A / sigma^2."""
    weight = vera.generator.network.weight.detach()
    exact = (1 + weight.square().sum(0) / SIGMA**2).rsqrt()
    optimiser = torch.optim.Adam([vera.log_eta], lr=0.02)
    batch = Batch(torch.zeros(2000, 3), None)
    for _ in range(200):
        loss, _ = vera.posterior_loss(batch, noise)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.testing.assert_close(vera.log_eta.detach().exp(), exact, rtol=0.1, atol=0.0)


@pytest.mark.parametrize("narrow", [0, 1])
def test_the_narrow_axis_of_the_data_gets_the_larger_precision(noise, narrow):
    """The standard deviations along the axes are 1 and 0.4; the weight of the entropy is one."""
    rows = torch.randn(4096, 2, generator=noise)
    rows[:, narrow] *= 0.4
    slow, fast = (AdamW(lr=lr, betas=(0.0, 0.9)) for lr in (5e-3, 2e-2))
    settings = VERA(
        noise=2,
        hidden=(),
        entropy_weight=1.0,
        gradient_penalty=0.0,
        sigma=0.1,
        posterior_width=0.3,  # as wide as the true posteriors; a smaller one underestimates the entropy's gradient
        energy=slow,
        generator=fast,
        posterior=fast,
    )
    estimate = fit_precision(settings, rows, Training(steps=800, batch_size=256, warmup=0))
    assert estimate[narrow, narrow] > 1.5 * estimate[1 - narrow, 1 - narrow]


def test_images_need_a_resnet_generator():
    with pytest.raises(EbmoodError, match="set `resnet_channels` for images"):
        VERA().build(EnergyModel(Zero()), 1, (1, 16, 16), 0)
    objective = VERA(noise=4, resnet_channels=4).build(EnergyModel(Zero()), 1, (1, 16, 16), 0)
    assert objective.generator(torch.zeros(2, 4)).shape == (2, 1, 16, 16)


def test_a_generator_that_starts_at_the_base_has_its_mean_and_covariance(noise):
    base = TiedMixture(3, 2)
    base.means.copy_(torch.tensor([[2.0, 0.0, 1.0], [-4.0, 1.0, 1.0]]))
    base.variances.copy_(torch.tensor([1.0, 2.0, 3.0]))
    model = AnchoredEnergy(base, MLP(3, (8,), 1, "silu"))
    objective = VERA(noise=5, hidden=(8,), start="base", sigma=0.5).build(model, 1, (3,), 0)
    assert isinstance(objective, VariationalEntropy)
    x = objective.generator.sample(50_000, noise)[0].detach().double()
    rows = base.sample(50_000, noise)
    torch.testing.assert_close(x.mean(0), rows.mean(0), atol=0.1, rtol=0)
    torch.testing.assert_close(torch.cov(x.T), torch.cov(rows.T), atol=0.2, rtol=0.03)


def test_without_a_base_there_is_no_start_and_no_validation_loss():
    model = EnergyModel(MLP(3, (8,), 1, "silu"))
    with pytest.raises(TypeError, match="anchored"):
        VERA(start="base").build(model, 1, (3,), 0)
    with pytest.raises(NotImplementedError):
        VERA(hidden=(8,)).build(model, 1, (3,), 0).validation_loss(torch.zeros(2, 3))


def test_without_a_penalty_the_loss_is_the_difference_of_the_means(noise):
    """The score is not computed, and the value is that of a vanishing weight."""
    model = EnergyModel(MLP(3, (8,), 1, "silu"))
    batch = Batch(torch.randn(40, 3, generator=noise), None)
    losses = [
        VERA(hidden=(8,), gradient_penalty=weight)
        .build(model, 1, (3,), 0)
        .energy_loss(batch, torch.Generator().manual_seed(0))[0]
        for weight in (0.0, 1e-12)
    ]
    torch.testing.assert_close(*losses)
