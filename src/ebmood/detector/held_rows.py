"""Whether rows are training rows: they score higher than other rows, so they say nothing about false alarms."""

import numpy as np
from numpy.typing import NDArray

from ebmood.core.errors import CalibrationWarning, warn

Floats = NDArray[np.float64]

MANY_EQUAL = 20
"""Rows that equal training rows, from which they are taken for training rows."""


class HeldRows:
    """Rows that a detector holds, which recognise themselves.

    Args:
        rows: `(M, D)` training rows, or a random sample of them.
        training_rows: number of training rows.
    """

    def __init__(self, rows: Floats, training_rows: int):
        self._codes, counts = np.unique(row_codes(rows), return_counts=True)
        self._by_chance = counts[counts > 1].sum() / len(rows)
        self._held_fraction = len(rows) / training_rows

    def count(self, rows: Floats) -> int:
        """Return how many of `(N, D)` rows equal a row that is held."""
        return int(np.isin(row_codes(rows), self._codes).sum())

    def are_training_rows(self, count: int, rows: int) -> bool:
        """Return whether `count` of `rows` rows are more than equal rows that are held by chance."""
        return count >= MANY_EQUAL and count / rows - self._by_chance > self._held_fraction / 2


def warn_of_training_rows(fraction: float, items: str = "rows") -> None:
    """Warn that a fraction of the calibration rows equal training rows.

    Warns:
        CalibrationWarning: always.
    """
    warn(
        f"{fraction:.0%} of the calibration {items} equal training {items}, whose scores are higher than those of "
        f"other {items}, so that too many new {items} will be flagged; give {items} that the fit has not seen",
        CalibrationWarning,
    )


def row_codes(rows: Floats) -> NDArray[np.uint64]:
    """Return a hash of each row of `(N, D)`: `(N,)`. Missing values are equal, and so are the two zeros.

    >>> codes = row_codes(np.array([[0.0, np.nan], [-0.0, np.nan], [np.nan, 0.0]]))
    >>> bool(codes[0] == codes[1]), bool(codes[0] == codes[2])
    (True, False)
    """
    codes = np.zeros(len(rows), np.uint64)
    for column in np.where(np.isnan(rows), np.nan, rows + 0.0).T:
        codes = _mixed(codes ^ np.ascontiguousarray(column, np.float64).view(np.uint64))
    return codes


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the finaliser of SplitMix64 (Steele et al. 2014): every bit of the input changes half of the output."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
