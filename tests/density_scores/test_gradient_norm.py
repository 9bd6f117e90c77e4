import numpy as np
import torch
from helpers.gaussians import CPU, gaussian_scorer

from ebmood.density_scores import GradientNorm
from ebmood.density_scores.score import LOWEST
from ebmood.models import DensityModel, DensityScorer, EnergyModel

X = np.random.default_rng(0).normal(size=(3000, 4)).astype(np.float32)  # several chunks


def test_under_a_gaussian_it_is_the_distance_from_the_mean_over_the_variance():
    mean = np.array([1.0, 0.0, -2.0, 0.5])
    score = GradientNorm().fit(gaussian_scorer(mean, sd=2.0), X)
    np.testing.assert_allclose(score.score_samples(X), -np.linalg.norm(X - mean, axis=1) / 4, rtol=1e-5)


def test_a_linear_energy_has_the_norm_of_its_weights_everywhere():
    network = torch.nn.Linear(4, 1)
    score = GradientNorm().fit(DensityScorer(EnergyModel(network), CPU), X)
    np.testing.assert_allclose(score.score_samples(X), -network.weight.detach().norm().item(), rtol=1e-6)


def test_where_the_log_density_overflows_the_score_is_the_lowest():
    class Overflowing(DensityModel):
        """Overflows where x > 2, as image flows do; a square whose gradient overflows where x is large."""

        def log_density(self, x):
            value = -x.square().sum(1)
            return value.masked_fill(x[:, 0] > 2, torch.finfo(torch.float32).min)

    rows = np.array([[3.0], [1.0], [0.0]], np.float32)
    score = GradientNorm().fit(DensityScorer(Overflowing(), CPU), rows)
    assert score.score_samples(rows).tolist() == [LOWEST, -2.0, 0.0]
