"""Columns of different units and tails become comparable."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from ebmood.detector.robust_scaler import MAX_SPAN, RobustScaler, columns_share_unit

DIGITS, WINE = load_digits().data, load_wine().data


def scale(x: np.ndarray, scaler: RobustScaler | None = None) -> np.ndarray:
    with torch.no_grad():
        return (scaler or RobustScaler(x.shape[1]).fit(x))(torch.from_numpy(x)).numpy()


def min_max_scaled(x: np.ndarray) -> np.ndarray:
    return (x - x.min(axis=0)) / np.ptp(x, axis=0)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (DIGITS, True),
        (DIGITS / 16, True),
        (255 - DIGITS, True),
        (np.random.default_rng(0).random((200, 9)) < 0.1, True),  # booleans
        (WINE, False),
        (min_max_scaled(WINE), False),
        (load_breast_cancer().data, False),
        (np.random.default_rng(0).integers(0, [90, 5, 2], (500, 3)), False),  # an age, children, a boolean
        (np.zeros((20, 3)), False),
        (np.arange(20.0)[:, None], False),
        (np.random.default_rng(0).random((60, 4)), False),  # few distinct values because there are few rows
    ],
)
def test_columns_with_a_common_unit_are_recognized(x, expected):
    assert columns_share_unit(np.asarray(x, dtype=np.float64)) is expected


def test_columns_with_a_common_unit_keep_their_proportions():
    """A pixel in a corner that rarely lights up has no more weight than one in the middle, nor has a constant one."""
    scaler = RobustScaler(64).fit(DIGITS)
    image = np.tile(np.median(DIGITS, axis=0), (64, 1))
    before = scale(image, scaler)
    image[np.arange(64), np.arange(64)] += 4.0
    change = (scale(image, scaler) - before)[np.arange(64), np.arange(64)]
    assert DIGITS.std(axis=0).min() == 0
    assert change.max() < 2 * change.min()


@pytest.mark.parametrize(("value", "other"), [(0.3, 0.1 + 0.2), (0.0, 1e-300), (1e15, 1e15 + 1)])
def test_columns_that_vary_only_by_rounding_count_as_constant(value, other):
    x = np.where(np.random.default_rng(0).random((100, 3)) < 0.5, value, other)
    for rows in (x, np.column_stack([x, np.arange(100) % 2])):
        z = scale(rows)
        assert np.isfinite(z).all()
        assert np.abs(z[:, :3]).max() < 1e-3


def test_a_rare_event_is_scaled_by_its_span():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5_000, 2))
    x[:, 1] = np.where(rng.random(5_000) < 0.002, rng.uniform(50, 100, 5_000), 0.0)
    z = scale(x)
    assert np.abs(z[:, 0]).max() < MAX_SPAN
    assert 0.7 < z[:, 0].std() <= 1.0
    assert np.ptp(z[:, 1]) < MAX_SPAN  # a division by the standard deviation would give 30
    assert z[:, 1].std() < 0.5


def test_units_of_columns_do_not_matter():
    rng = np.random.default_rng(0)
    for x in (WINE, rng.normal(size=(40, 4))):
        units = rng.uniform(0.01, 100, x.shape[1])
        np.testing.assert_allclose(scale(x * units), scale(x), rtol=1e-4, atol=1e-4)


def test_scaling_is_monotone_and_close_to_linear_near_the_center():
    x = np.random.default_rng(0).normal(size=(500, 1)) * 4 + 100
    scaler = RobustScaler(1).fit(x)
    grid = torch.tensor([-1e300, -1e9, 0.0, 90.0, 100.0, 104.0, 110.0, 1e9, 1e300], dtype=torch.float64)
    scaled = scaler(grid[:, None])[:, 0]
    assert (scaled.diff() >= 0).all()
    assert scaled[4:6].tolist() == pytest.approx([0.0, 1.0], abs=0.1)
    z = scaler(torch.from_numpy(x))
    assert float(z.mean()) == pytest.approx(0, abs=0.02)
    deviations = np.ptp(x) / x.std()  # 500 normal numbers span 7 standard deviations
    assert float(z.std()) == pytest.approx(MAX_SPAN / deviations, abs=0.02)


def test_one_huge_value_does_not_compress_its_column():
    x = np.random.default_rng(0).normal(size=(500, 1))
    x[0] = 1e12
    z = RobustScaler(1).fit(x)(torch.from_numpy(x[1:]))
    assert float(z.std()) > 0.3


def test_excess_counts_ranges_beyond_one_range_from_the_middle():
    scaler = RobustScaler(2).fit(np.array([[0.0, 0.0], [10.0, 1.0], [5.0, 0.5]]))
    rows = torch.tensor([[5.0, 0.5], [15.0, 0.5], [25.0, 0.5], [25.0, -2.5]], dtype=torch.float64)
    assert scaler.excess(rows).tolist() == pytest.approx([0, 0, 1, 3])
