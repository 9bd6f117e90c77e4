import math

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

from ebmood.models import TiedMixture


@pytest.fixture
def two() -> TiedMixture:
    """Two slanted Gaussians in the plane, of one shape."""
    mixture = TiedMixture(2, 2)
    turn = math.pi / 6
    mixture.log_weights.copy_(torch.tensor([0.3, 0.7]).log())
    mixture.means.copy_(torch.tensor([[-2.0, 0.0], [1.0, 1.0]]))
    mixture.variances.copy_(torch.tensor([2.0, 0.1]))
    mixture.axes.copy_(torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]))
    return mixture


def reference(mixture: TiedMixture, x: torch.Tensor, sigma: float) -> torch.Tensor:
    joint = []
    for k in range(len(mixture.means)):
        axes = mixture.axes
        covariance = axes @ torch.diag(mixture.variances + sigma**2) @ axes.T
        joint.append(mixture.log_weights[k] + MultivariateNormal(mixture.means[k], covariance).log_prob(x))
    return torch.stack(joint).logsumexp(0)


def test_densities_are_the_textbooks_with_and_without_noise(two: TiedMixture) -> None:
    x = 3 * torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(two.log_density(x), reference(two, x, 0.0))
    smoothed = two.smoothed_log_density(x, torch.tensor([0.0, 0.5, 2.0]))
    for level, sigma in enumerate((0.0, 0.5, 2.0)):
        torch.testing.assert_close(smoothed[:, level], reference(two, x, sigma))


def test_scores_are_the_gradients_of_log_densities_each_row_at_its_own_noise(two: TiedMixture) -> None:
    x = 3 * torch.randn(60, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x.requires_grad_(True)
    sigmas = torch.tensor([0.0, 0.5, 2.0], dtype=torch.float64).repeat(20)
    told = torch.stack(
        [reference(two, row[None], float(sigma))[0] for row, sigma in zip(x, sigmas, strict=True)]
    )
    (gradient,) = torch.autograd.grad(told.sum(), x)
    torch.testing.assert_close(two.smoothed_score(x, sigmas[:, None]), gradient)


def test_log_densities_have_gradients_of_rows(two: TiedMixture) -> None:
    x = 3 * torch.randn(60, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x.requires_grad_(True)
    sigmas = torch.tensor([0.0, 2.0], dtype=torch.float64)
    for level, sigma in enumerate(sigmas):
        (gradient,) = torch.autograd.grad(two.smoothed_log_density(x, sigmas)[:, level].sum(), x)
        expected = two.smoothed_score(x.detach(), sigma.expand(60, 1))
        torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-5)


def test_it_integrates_to_one(two: TiedMixture) -> None:
    axis = torch.linspace(-12, 12, 481, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    assert two.log_density(grid).exp().sum() * 0.05**2 == pytest.approx(1, abs=1e-6)


def test_samples_have_its_mean_and_its_widened_spread(two: TiedMixture) -> None:
    rows = two.sample(40_000, torch.Generator().manual_seed(1))
    torch.testing.assert_close(rows.mean(0), torch.tensor([0.1, 0.7]).double(), atol=0.03, rtol=0)
    wide = two.widened(3.0)
    drawn = two.sample(40_000, torch.Generator().manual_seed(2), widen=3.0)
    # The entropy of a density is what minus its own log-density averages to over its own rows.
    assert wide.log_density(drawn).mean() > two.log_density(drawn).mean() + 1
    again = wide.sample(40_000, torch.Generator().manual_seed(3))
    assert wide.log_density(drawn).mean() == pytest.approx(float(wide.log_density(again).mean()), abs=0.03)


def test_fitting_recovers_a_density_of_clumps_that_are_apart(two: TiedMixture) -> None:
    # k-means cuts clumps that touch in the middle, whatever their shape.
    two.means[1] += torch.tensor([0.0, 9.0])
    x = two.sample(4000, torch.Generator().manual_seed(4))
    fresh = two.sample(4000, torch.Generator().manual_seed(5))
    fitted = TiedMixture(2, 2).fit(x.numpy(), None, floor=1e-4, prior=0.5, seed=0)
    divergence = (two.log_density(fresh) - fitted.log_density(fresh)).mean()
    assert abs(divergence) < 0.01  # of a sample it may fall below zero by a little
    single = TiedMixture(2, 1).fit(x.numpy(), None, floor=1e-4, prior=0.5, seed=0)
    assert (two.log_density(fresh) - single.log_density(fresh)).mean() > 0.05


def test_classes_get_densities_of_their_own(two: TiedMixture) -> None:
    x = two.sample(2000, torch.Generator().manual_seed(6)).numpy()
    y = (x[:, 0] > 0).astype(np.int64)
    fitted = TiedMixture(2, 3, classes=2).fit(x, y, floor=1e-4, prior=0.5, seed=0)
    joint = fitted.class_log_density(torch.from_numpy(x))
    assert (joint.argmax(1).numpy() == y).mean() > 0.97
    torch.testing.assert_close(joint.logsumexp(1), fitted.log_density(torch.from_numpy(x)))


@pytest.mark.parametrize("x", [np.zeros((2, 3)), np.ones((50, 4)), np.eye(6), np.arange(8.0)[:, None]])
def test_degenerate_tables_still_give_a_density(x: np.ndarray) -> None:
    fitted = TiedMixture(x.shape[1], 5).fit(x, None, floor=0.01, prior=0.5, seed=0)
    at, off = fitted.log_density(torch.from_numpy(x)), fitted.log_density(torch.from_numpy(x + 20))
    assert torch.isfinite(at).all()
    assert at.min() > off.max()
