"""How columns of different units and tails are made comparable."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from ebmood.detector.robust_scaler import MAX_SPAN, RobustScaler, columns_share_unit

DIGITS, WINE = load_digits().data, load_wine().data


def seen(x: np.ndarray, columns: RobustScaler | None = None) -> np.ndarray:
    with torch.no_grad():
        return (columns or RobustScaler(x.shape[1]).fit(x))(torch.from_numpy(x)).numpy()


def within(x: np.ndarray) -> np.ndarray:
    return (x - x.min(axis=0)) / np.ptp(x, axis=0)


@pytest.mark.parametrize(
    ("x", "shared"),
    [
        (DIGITS, True),
        (DIGITS / 16, True),
        (255 - DIGITS, True),
        (np.random.default_rng(0).random((200, 9)) < 0.1, True),  # yes and no
        (WINE, False),
        (within(WINE), False),  # as many tables come
        (load_breast_cancer().data, False),
        (np.random.default_rng(0).integers(0, [90, 5, 2], (500, 3)), False),  # an age, children, yes and no
        (np.zeros((20, 3)), False),
        (np.arange(20.0)[:, None], False),
        (np.random.default_rng(0).random((60, 4)), False),  # few values in all, since there are few rows
    ],
)
def test_columns_that_share_a_unit_are_known(x, shared):
    assert columns_share_unit(np.asarray(x, dtype=np.float64)) is shared


def test_columns_that_share_a_unit_keep_their_proportions():
    """A pixel in a corner that hardly ever lights is no louder than one in the middle, nor is one that never did."""
    columns = RobustScaler(64).fit(DIGITS)
    lit = np.tile(np.median(DIGITS, axis=0), (64, 1))
    dark = seen(lit, columns)
    lit[np.arange(64), np.arange(64)] += 4.0
    moved = (seen(lit, columns) - dark)[np.arange(64), np.arange(64)]
    assert DIGITS.std(axis=0).min() == 0
    assert moved.max() < 2 * moved.min()


@pytest.mark.parametrize(("value", "other"), [(0.3, 0.1 + 0.2), (0.0, 1e-300), (1e15, 1e15 + 1)])
def test_columns_that_differ_by_rounding_alone_are_columns_that_never_moved(value, other):
    x = np.where(np.random.default_rng(0).random((100, 3)) < 0.5, value, other)
    for rows in (x, np.column_stack([x, np.arange(100) % 2])):
        z = seen(rows)
        assert np.isfinite(z).all()
        assert np.abs(z[:, :3]).max() < 1e-3


def test_a_rare_event_counts_as_a_part_of_its_span():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5_000, 2))
    x[:, 1] = np.where(rng.random(5_000) < 0.002, rng.uniform(50, 100, 5_000), 0.0)
    z = seen(x)
    assert np.abs(z[:, 0]).max() < MAX_SPAN
    assert 0.7 < z[:, 0].std() <= 1.0
    assert np.ptp(z[:, 1]) < MAX_SPAN  # by its standard deviation it would be 30
    assert z[:, 1].std() < 0.5


def test_units_of_columns_do_not_matter():
    rng = np.random.default_rng(0)
    for x in (WINE, rng.normal(size=(40, 4))):
        units = rng.uniform(0.01, 100, x.shape[1])
        np.testing.assert_allclose(seen(x * units), seen(x), rtol=1e-4, atol=1e-4)
