"""Which features make a row anomalous: by how much the score rises if one feature gets a more plausible value.

    c_j(x) = max_q  s(x with x_j = q) - s(x),    q over quantiles of feature j in the training rows

All other features keep their values, so q is the best value given the others. A value that is common on its own but
contradicts the other features gets a large contribution. A feature that only looks anomalous beside a corrupted one
gets a small contribution. The method needs neither gradients (a score saturates far from the data) nor a choice of
background rows. It computes Q D scores for each row.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

LEVELS = np.array([0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99])
"""Quantile levels of the replacement values."""

MAX_NUMBERS = 2**22
"""Numbers in memory at a time: 32 MB."""


def replacement_values(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return quantiles of every feature that occur among the training rows: `(N, D)` to `(Q, D)`.

    The quantiles of a category column are numbers of its levels. Missing values are left out; a feature without values
    gets zeros.
    """
    values = np.where(np.isnan(rows).all(axis=0), 0.0, rows)
    return np.nanquantile(values, LEVELS, axis=0, method="nearest")


def feature_contributions(
    score: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    rows: NDArray[np.float64],
    replacements: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return `c_j(x)` of every feature of every row: `(N, D)` to `(N, D)`. Larger means more anomalous.

    Args:
        score: maps rows `(N, D)` to scores `(N,)`.
        rows: `(N, D)`.
        replacements: `(Q, D)`, the result of `replacement_values`.

    >>> score = lambda x: -np.abs(x - 1).sum(axis=1)
    >>> feature_contributions(score, np.array([[1.0, 5.0]]), np.ones((11, 2)))
    array([[0., 4.]])
    """
    levels, features = replacements.shape
    before = score(rows)
    gains = np.empty(rows.size)
    step = max(
        1, MAX_NUMBERS // (levels * features)
    )  # pairs of a row and a feature that are handled together
    for start in range(0, rows.size, step):
        cells = np.arange(start, min(start + step, rows.size))
        row, feature = np.divmod(cells, features)
        changed = np.repeat(rows[row][:, None], levels, axis=1)
        changed[np.arange(len(cells)), :, feature] = replacements[:, feature].T
        after = score(changed.reshape(-1, features)).reshape(len(cells), levels)
        gains[cells] = after.max(axis=1) - before[row]
    return gains.reshape(rows.shape)
