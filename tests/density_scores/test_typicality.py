import numpy as np
import pytest
from helpers.gaussians import gaussian_scorer

from ebmood.core.errors import InputError
from ebmood.density_scores import Typicality

RNG = np.random.default_rng(0)


def on_sphere(radius: float, rows: int, dimensions: int = 5) -> np.ndarray:
    x = RNG.normal(size=(rows, dimensions))
    return (radius * x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def test_under_a_gaussian_it_is_half_the_difference_of_squared_radii():
    train = on_sphere(2.0, 50)
    score = Typicality().fit(gaussian_scorer(np.zeros(5)), train)
    rows = np.concatenate([on_sphere(radius, 3) for radius in (0.5, 2.0, 3.0)])
    expected = -np.repeat([2.0**2 - 0.5**2, 0.0, 3.0**2 - 2.0**2], 3) / 2
    np.testing.assert_allclose(score.score_samples(rows), expected, atol=1e-5)


def test_a_batch_compares_the_mean_of_its_rows_with_the_entropy():
    score = Typicality(rows=2).fit(gaussian_scorer(np.zeros(5)), on_sphere(2.0, 50))
    # Squared radii 1 and 7 have the mean 4, so the batch is typical although none of its rows is.
    rows = np.concatenate([on_sphere(r, 1) for r in (1.0, np.sqrt(7), 1.0, 3.0, 9.0)])
    np.testing.assert_allclose(
        score.score_samples(rows), [0.0, -0.5], atol=1e-5
    )  # the fifth row has no batch
    with pytest.raises(InputError, match="a set has 1 rows; use smaller batches"):
        score.score_samples(rows[:1])


def test_the_mode_of_a_gaussian_in_many_dimensions_is_not_typical():
    train = RNG.normal(size=(500, 400)).astype(np.float32)
    scorer = gaussian_scorer(np.zeros(400))
    score = Typicality().fit(scorer, train)
    mode, samples = np.zeros((1, 400), np.float32), RNG.normal(size=(100, 400)).astype(np.float32)
    assert scorer.score_samples(mode) > scorer.score_samples(samples).max()
    assert score.score_samples(mode) < score.score_samples(samples).min()
