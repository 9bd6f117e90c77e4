"""The mixture of Gaussians against torch's distributions, with and without noise, and its fit."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from ebmood.models import TiedMixture


@pytest.fixture
def mixture() -> TiedMixture:
    """Two Gaussians in the plane with one rotated covariance."""
    mixture = TiedMixture(2, 2)
    angle = math.pi / 6
    mixture.log_weights.copy_(torch.tensor([0.3, 0.7]).log())
    mixture.means.copy_(torch.tensor([[-2.0, 0.0], [1.0, 1.0]]))
    mixture.variances.copy_(torch.tensor([2.0, 0.1]))
    rotation = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    mixture.axes.copy_(torch.tensor(rotation))
    return mixture


@pytest.fixture
def x(noise) -> torch.Tensor:
    return 3 * torch.randn(60, 2, dtype=torch.float64, generator=noise)


def covariance(mixture: TiedMixture, sigma: float = 0.0) -> torch.Tensor:
    return mixture.axes @ torch.diag(mixture.variances + sigma**2) @ mixture.axes.T


def reference(mixture: TiedMixture, x: torch.Tensor, sigma: float) -> torch.Tensor:
    components = MultivariateNormal(mixture.means, covariance(mixture, sigma))
    return MixtureSameFamily(Categorical(logits=mixture.log_weights), components).log_prob(x)


def test_the_density_equals_that_of_torch_with_and_without_noise(mixture, x) -> None:
    torch.testing.assert_close(mixture.log_density(x), reference(mixture, x, 0.0))
    smoothed = mixture.smoothed_log_density(x, torch.tensor([0.0, 0.5, 2.0]))
    for level, sigma in enumerate((0.0, 0.5, 2.0)):
        torch.testing.assert_close(smoothed[:, level], reference(mixture, x, sigma))


def test_the_smoothed_score_is_the_gradient_of_the_log_density_with_one_sigma_per_row(mixture, x) -> None:
    x.requires_grad_(True)
    sigmas = torch.tensor([0.0, 0.5, 2.0], dtype=torch.float64).repeat(20)
    log_density = torch.stack(
        [reference(mixture, row[None], float(sigma))[0] for row, sigma in zip(x, sigmas, strict=True)]
    )
    (gradient,) = torch.autograd.grad(log_density.sum(), x)
    torch.testing.assert_close(mixture.smoothed_score(x, sigmas[:, None]), gradient)


def test_log_densities_are_differentiable(mixture, x) -> None:
    x.requires_grad_(True)
    sigmas = torch.tensor([0.0, 2.0], dtype=torch.float64)
    for level, sigma in enumerate(sigmas):
        (gradient,) = torch.autograd.grad(mixture.smoothed_log_density(x, sigmas)[:, level].sum(), x)
        expected = mixture.smoothed_score(x.detach(), sigma.expand(60, 1))
        torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-5)


def test_chunks_of_rows_do_not_change_log_densities(mixture, x, monkeypatch) -> None:
    expected = mixture.log_density(x)
    monkeypatch.setattr("ebmood.models.mixture.CHUNK_SIZE", 14)
    torch.testing.assert_close(mixture.log_density(x), expected)


def test_the_density_integrates_to_one(mixture) -> None:
    axis = torch.linspace(-12, 12, 481, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    assert mixture.log_density(grid).exp().sum() * 0.05**2 == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_samples_have_the_mean_and_the_covariance_of_the_widened_mixture(mixture, noise, factor) -> None:
    wide = mixture.widened(factor)
    rows = wide.sample(40_000, noise)
    between = mixture.means - torch.tensor([0.1, 0.7])
    expected = factor**2 * covariance(mixture) + between.T @ (mixture.log_weights.exp()[:, None] * between)
    torch.testing.assert_close(rows.mean(0), torch.tensor([0.1, 0.7]).double(), atol=0.03 * factor, rtol=0)
    torch.testing.assert_close(torch.cov(rows.T), expected, atol=0.05 * factor**2, rtol=0)
    torch.testing.assert_close(wide.log_density(rows[:50]), reference(wide, rows[:50], 0.0))


def test_fitting_recovers_the_density_of_separated_clusters(mixture, noise) -> None:
    # k-means splits touching clusters halfway between their means and ignores their covariance.
    mixture.means[1] += torch.tensor([0.0, 9.0])
    x, test_rows = mixture.sample(4000, noise), mixture.sample(4000, noise)
    fitted = TiedMixture(2, 2).fit(x.numpy(), None, floor=1e-4, prior=0.5, seed=0)
    divergence = (mixture.log_density(test_rows) - fitted.log_density(test_rows)).mean()
    assert abs(divergence) < 0.01  # an estimate, which may be slightly negative
    single = TiedMixture(2, 1).fit(x.numpy(), None, floor=1e-4, prior=0.5, seed=0)
    assert (mixture.log_density(test_rows) - single.log_density(test_rows)).mean() > 0.05


def test_each_class_has_its_own_density(mixture, noise) -> None:
    x = mixture.sample(2000, noise).numpy()
    y = (x[:, 0] > 0).astype(np.int64)
    fitted = TiedMixture(2, 3, classes=2).fit(x, y, floor=1e-4, prior=0.5, seed=0)
    joint = fitted.class_log_density(torch.from_numpy(x))
    assert (joint.argmax(1).numpy() == y).mean() > 0.97
    torch.testing.assert_close(joint.logsumexp(1), fitted.log_density(torch.from_numpy(x)))


def test_a_class_without_rows_has_density_zero(mixture, noise) -> None:
    x = mixture.sample(100, noise).numpy()
    fitted = TiedMixture(2, 3, classes=2).fit(x, np.zeros(100, dtype=np.int64), 1e-4, 0.5, seed=0)
    joint = fitted.class_log_density(torch.from_numpy(x))
    assert (joint[:, 1] < -1e200).all()
    assert torch.equal(joint[:, 0], fitted.log_density(torch.from_numpy(x)))


@pytest.mark.parametrize("x", [np.zeros((2, 3)), np.ones((50, 4)), np.eye(6), np.arange(8.0)[:, None]])
def test_degenerate_tables_have_a_density(x: np.ndarray) -> None:
    fitted = TiedMixture(x.shape[1], 5).fit(x, None, floor=0.01, prior=0.5, seed=0)
    inside, outside = fitted.log_density(torch.from_numpy(x)), fitted.log_density(torch.from_numpy(x + 20))
    assert torch.isfinite(inside).all()
    assert inside.min() > outside.max()
