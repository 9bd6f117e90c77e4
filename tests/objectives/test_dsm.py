"""Denoising score matching: its loss, and the densities that it learns at one and at several noise levels."""

import pytest
import torch
from helpers.quadratic import PRECISION, diagonal_model, fit_precision, gaussian_rows, relative_error

from ebmood.models import DenoisingEnergy, TiedMixture
from ebmood.networks import MLP
from ebmood.objectives import DSM, AdamW, Batch, MultilevelDenoising
from ebmood.training import Training, make_fabric, train

SIGMAS = (0.3, 1.0)
COVARIANCE = torch.tensor([[2.0, 0.8], [0.8, 0.6]])


def test_the_loss_of_a_gaussian_has_a_closed_form(noise):
    """For F = -x'Px/2 and data of covariance C: J = D - 2 sigma^2 tr P + sigma^2 tr(P (C + sigma^2 I) P)."""
    sigma, p = 0.5, torch.diag(torch.tensor([1.0, 4.0, 0.25]))
    rows = gaussian_rows(200_000, noise)
    loss, _ = DSM(sigma=sigma).build(diagonal_model(1.0, 2.0, 0.5), 1, (3,), 0).loss(Batch(rows, None), noise)
    noisy_covariance = torch.linalg.inv(PRECISION) + sigma**2 * torch.eye(3)
    expected = 3 - 2 * sigma**2 * p.trace() + sigma**2 * (p @ noisy_covariance @ p).trace()
    assert float(loss.detach()) == pytest.approx(float(expected), rel=0.01)


def test_the_loss_of_held_out_rows_has_the_same_noise_at_every_call_and_the_same_expectation(noise):
    objective = DSM(sigma=0.5).build(diagonal_model(1.0, 2.0, 0.5), 1, (3,), 0)
    rows = gaussian_rows(200_000, noise)
    with torch.no_grad():
        first, second = objective.validation_loss(rows), objective.validation_loss(rows)
    assert float(first) == float(second)
    loss, _ = objective.loss(Batch(rows, None), noise)
    assert float(first) == pytest.approx(float(loss.detach()), rel=0.01)


@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_the_precision_of_a_gaussian_under_noise_is_recovered(noise, sigma):
    """The minimiser is P = (C + sigma^2 I)^-1."""
    settings = DSM(sigma=sigma, optimiser=AdamW(lr=1e-2))
    training = Training(steps=800, batch_size=1024, warmup=50, halve_every=50)
    estimate = fit_precision(settings, gaussian_rows(4096, noise), training)
    truth = torch.linalg.inv(torch.linalg.inv(PRECISION) + sigma**2 * torch.eye(3))
    assert relative_error(estimate, truth) < 0.1 < 0.2 < relative_error(PRECISION, truth)


def test_the_scores_of_a_gaussian_are_recovered_at_every_level(noise) -> None:
    """The base is wrong, so that the network must learn the difference."""
    rows = torch.randn(4000, 2, generator=noise) @ torch.linalg.cholesky(COVARIANCE).T
    torch.manual_seed(0)
    model = DenoisingEnergy(TiedMixture(2, 1), MLP(2, (48, 48), 2, "silu"), SIGMAS)
    training = Training(steps=800, batch_size=512, warmup=50, halve_every=20)
    x = rows[:500].clone().requires_grad_(True)
    before = [score_error(model, x, level) for level in range(2)]
    train(MultilevelDenoising(model, AdamW(lr=5e-3)), rows, None, training, 0, make_fabric("cpu"))
    after = [score_error(model, x, level) for level in range(2)]
    assert min(before) > 0.2
    assert max(after) < 0.1


def score_error(model: DenoisingEnergy, x: torch.Tensor, level: int) -> float:
    """Relative squared error of the score at one level; the true score is -(C + sigma^2 I)^-1 x."""
    truth = -x.detach() @ torch.linalg.inv(COVARIANCE + SIGMAS[level] ** 2 * torch.eye(2))
    (score,) = torch.autograd.grad(model.log_densities(x)[:, level].sum(), x)
    return float((score - truth).square().sum() / truth.square().sum())
