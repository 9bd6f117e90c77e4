import numpy as np
import pytest
import torch
from helpers.gaussians import CPU, gaussian_log_density, gaussian_scorer

from ebmood.core.errors import InputError
from ebmood.density_scores.waic import WAICScorer
from ebmood.models import DensityScorer, EnergyModel

X = np.linspace(-3, 3, 13, dtype=np.float32)[:, None]


def test_two_gaussians_disagree_by_the_product_of_row_and_mean():
    # log p_1 - log p_2 = 2 a x, so the variance is (a x)^2.
    a = 0.7
    ensemble = WAICScorer([gaussian_scorer([a]), gaussian_scorer([-a])])
    expected = gaussian_log_density(X, [0.0]) - a**2 / 2 - (a * X[:, 0]) ** 2
    np.testing.assert_allclose(ensemble.score_samples(X), expected, rtol=1e-5)


def test_equal_members_have_their_own_log_density():
    ensemble = WAICScorer([gaussian_scorer([1.0], sd=2.0)] * 3)
    np.testing.assert_allclose(ensemble.score_samples(X), gaussian_log_density(X, [1.0], 2.0), rtol=1e-6)


def test_members_of_other_rows_and_energies_are_refused():
    with pytest.raises(InputError, match="trained on other data"):
        WAICScorer([gaussian_scorer([0.0]), gaussian_scorer([0.0], trained_on="other rows")])
    energy = DensityScorer(EnergyModel(torch.nn.Linear(1, 1)), CPU, trained_on="rows")
    with pytest.raises(InputError, match="'waic' needs normalised log-densities"):
        WAICScorer([gaussian_scorer([0.0]), energy])
