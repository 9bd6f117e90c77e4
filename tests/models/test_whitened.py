"""Whitened coordinates: clusters have the unit covariance, and log-densities are those of the rows."""

import math

import numpy as np
import pytest
import torch
from helpers.splits import moons_split

from ebmood.models import DenoisingMLP, TiedMixture, WhitenedMLP, WhitenedModel, Whitening


@pytest.fixture
def base() -> TiedMixture:
    """Three clusters with a correlated covariance of very different axes."""
    rng = np.random.default_rng(0)
    mixing = np.array([[3.0, 0.0], [0.02, 0.01]])
    rows = np.concatenate([centre + rng.normal(size=(400, 2)) @ mixing.T for centre in (0.0, 20.0, 40.0)])
    return TiedMixture(2, 3).fit(rows, None, floor=1e-8, prior=0.0, seed=0)


def test_the_inverse_returns_the_rows(base, noise):
    x = torch.randn(50, 2, generator=noise, dtype=torch.float64)
    coordinates = Whitening(base)
    torch.testing.assert_close(coordinates.inverse(coordinates(x)), x)


def test_samples_of_the_base_have_the_unit_covariance_within_components(base, noise):
    rows = (
        base.means[0]
        + (base.sample(1, noise) * 0)
        + torch.randn(20_000, 2, generator=noise).double() @ (base.axes * base.variances.sqrt()).mT
    )
    z = Whitening(base)(rows)
    torch.testing.assert_close(torch.cov(z.T), torch.eye(2, dtype=torch.float64), atol=0.05, rtol=0)


def test_the_whitened_base_is_the_density_of_the_rows(base, noise):
    coordinates = Whitening(base)
    model = WhitenedModel(coordinates.whitened(base, 0.0), coordinates, 0.0)
    x = base.sample(100, noise)
    torch.testing.assert_close(model.log_density(x), base.log_density(x))


def test_noise_widens_the_base_by_its_own_covariance(base, noise):
    coordinates = Whitening(base)
    model = WhitenedModel(coordinates.whitened(base, 0.5), coordinates, 0.5)
    x = base.sample(100, noise)
    torch.testing.assert_close(model.log_density(x), base.widened(math.sqrt(1.25)).log_density(x))


@pytest.mark.parametrize("outputs", [1, 2])
def test_an_untrained_model_is_its_base(outputs):
    split = moons_split()
    torch.manual_seed(0)
    model = WhitenedMLP(components=8).build(split, outputs)
    z = model.coordinates(torch.as_tensor(split.train_x))
    torch.testing.assert_close(model.inner.log_density(z), model.inner.base.log_density(z))
    assert model.inner.base.classes == outputs


def test_an_untrained_denoising_model_is_its_base_at_every_level():
    split = moons_split()
    torch.manual_seed(0)
    model = DenoisingMLP(components=8, sigmas=(0.5, 2.0)).build(split, 1)
    z = model.coordinates(torch.as_tensor(split.train_x))
    expected = model.inner.base.smoothed_log_density(z, torch.tensor([0.5, 2.0]))
    torch.testing.assert_close(model.inner.log_densities(z), expected)
    assert model.noise == 0
