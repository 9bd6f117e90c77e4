"""The feature that was corrupted gets the largest contribution."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine

from ebmood import EnergyDetector


def found_fraction(detector: EnergyDetector, rows: np.ndarray, scale: np.ndarray, shift: float, rng) -> float:
    """Return how often a feature that is shifted by `shift` standard deviations gets the largest contribution."""
    rows = rows.copy()
    feature = rng.integers(rows.shape[1], size=len(rows))
    rows[np.arange(len(rows)), feature] += shift * scale[feature]
    return (detector.feature_contributions(rows).argmax(axis=1) == feature).mean()


def fit_all_but_60(load_table, rng, **options) -> tuple[EnergyDetector, np.ndarray, np.ndarray]:
    x, _ = load_table(return_X_y=True)
    x = x[rng.permutation(len(x))]
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(random_state=0, **options).fit(x[:-60])
    return detector, x[-60:], x[:-60].std(axis=0)


@pytest.mark.parametrize("load_table", [load_breast_cancer, load_wine])
@pytest.mark.parametrize("shift", [5.0, -5.0])
def test_a_shift_of_five_deviations_is_found_in_nine_of_ten_rows(load_table, shift, quick):
    rng = np.random.default_rng(3)
    detector, rows, scale = fit_all_but_60(load_table, rng, energy=quick)
    assert found_fraction(detector, rows, scale, shift, rng) >= 0.9


def test_a_shift_of_three_deviations_is_found_in_nine_of_ten_rows():
    """Mean over two tables and both directions."""
    fractions = []
    for load_table in (load_breast_cancer, load_wine):
        rng = np.random.default_rng(3)
        detector, rows, scale = fit_all_but_60(load_table, rng)
        fractions += [found_fraction(detector, rows, scale, shift, rng) for shift in (3.0, -3.0)]
    assert np.mean(fractions) >= 0.9, fractions
