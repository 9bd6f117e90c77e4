"""Whether the columns of a table are measured on one scale."""

import numpy as np

UNIT_CHECK_ROWS = 2_000
"""Rows that are used to count distinct values; evenly spaced, at most twice as many."""

MAX_DISTINCT = 256
"""Columns of one unit have at most this many distinct values: grey levels, grades, booleans."""


def columns_share_unit(x: np.ndarray) -> bool:
    """Return whether the columns of `(N, D)` appear to be measured on one scale, as pixels are.

    This is so if all columns take few distinct values, each of them twice or more on average, and if most columns
    that vary span at least half of the whole range.

    >>> columns_share_unit(np.array([[0, 1], [1, 0], [1, 1], [0, 0]] * 5, dtype=float))
    True
    >>> columns_share_unit(np.array([[0, 170.5], [1, 182.1], [1, 163.0]]))
    False
    """
    spans = np.ptp(x, axis=0)
    spans = spans[spans > 0]
    if len(spans) < 2 or np.median(spans) < 0.5 * np.ptp(x):
        return False
    sample = x[:: max(1, len(x) // UNIT_CHECK_ROWS)]
    return len(np.unique(sample)) <= min(MAX_DISTINCT, sample.size // 2)
