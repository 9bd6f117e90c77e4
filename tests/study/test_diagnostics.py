import math

import numpy as np
import pytest
import torch

from ebmood.data import Split
from ebmood.models import EnergyModel, RealNVP, Scorer
from ebmood.recipes.recipe import DensityScorer
from ebmood.study.diagnostics import (
    class_accuracy,
    mean_bits_per_dim,
    ray_profile,
    recorded_scores,
    score_landscape,
)


class Cone(Scorer):
    """Minus the distance from the origin; its profile along any ray is known."""

    def score_samples(self, x):
        return -np.linalg.norm(x, axis=1)


def test_rays_start_at_zero_and_follow_the_score():
    profile = ray_profile(Cone(), np.zeros((20, 3)), seed=0)
    np.testing.assert_allclose(profile.median, -np.array(profile.distance), atol=1e-9)
    np.testing.assert_allclose(profile.low, profile.high, atol=1e-9)


def test_recorded_scores_are_the_first_500_rounded():
    scores = {"id": np.random.default_rng(0).normal(size=700) * 1e6}
    recorded = recorded_scores(scores)["id"]
    assert len(recorded) == 500
    np.testing.assert_allclose(recorded, scores["id"][:500], rtol=1e-6)


def test_landscape_is_indexed_by_row_then_column():
    grid = score_landscape(Cone(), np.array([[0.0, 0.0], [1.0, 2.0]]))
    i, j = 7, 31
    assert grid.value[i][j] == pytest.approx(-np.hypot(grid.x[j], grid.y[i]))
    assert score_landscape(Cone(), np.zeros((5, 3))) is None


def test_the_landscape_of_a_constant_column_has_a_margin_on_both_sides():
    grid = score_landscape(Cone(), np.array([[0.0, 5.0], [1.0, 5.0]]))
    assert (grid.y[0], grid.y[-1]) == (4.5, 5.5)
    assert (np.diff(grid.y) > 0).all()


def test_bits_per_dimension_of_the_identity_flow_match_the_closed_form():
    """A dequantized byte z = (b + u) / 256 - 1/2 takes log2(256) - E log2 N(z; 0, 1) bits."""
    x = np.random.default_rng(0).integers(0, 256, (200, 1, 8, 8), dtype=np.uint8)
    split = Split("noise", x, x, x, None, None, None, 0, (), (), 0, 0)
    flow = RealNVP(channels=4, blocks=1).build(split, 1)  # initialised as the identity
    centres = (x + 0.5) / 256 - 0.5
    square = np.mean(centres**2) + 1 / (12 * 256**2)
    closed = 8 + (math.log(2 * math.pi) + square) / (2 * math.log(2))
    assert mean_bits_per_dim(DensityScorer(flow, torch.device("cpu")), x, 0) == pytest.approx(
        closed, abs=1e-4
    )
    assert mean_bits_per_dim(ZeroScorer(), x, 0) is None


def test_accuracy_is_the_fraction_of_rows_whose_largest_logit_is_that_of_their_class():
    x = np.random.default_rng(0).normal(size=(2_500, 3)).astype(np.float32)
    largest = x.argmax(1)
    classes = np.where(np.arange(len(x)) % 5 == 0, (largest + 1) % 3, largest)
    scorer = DensityScorer(EnergyModel(torch.nn.Identity()), torch.device("cpu"))
    assert class_accuracy(scorer, x, classes) == 0.8
    assert class_accuracy(scorer, x, None) is None
    unlabelled = DensityScorer(EnergyModel(torch.nn.Linear(3, 1)), torch.device("cpu"))
    assert class_accuracy(unlabelled, x, classes) is None
    assert class_accuracy(ZeroScorer(), x, classes) is None


class ZeroScorer(Scorer):
    def score_samples(self, x):
        return np.zeros(len(x))
