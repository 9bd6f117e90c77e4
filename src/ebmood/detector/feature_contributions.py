"""Which features make a row strange: what the score would gain if one feature had a more fitting value.

    c_j(x) = max_q  s(x with x_j = q) - s(x),    q over quantiles of feature j in the training rows

All other features keep their values, so the gain is that of the best value *given the others*: a value that is
ordinary on its own but contradicts the rest is found, and replacing a feature that only looks odd beside a corrupted
one gains little. No gradients (a score saturates far out) and no background rows (a model that is passed on should
not carry its training data): Q D scores for each row.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

LEVELS = np.array([0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99])
AT_ONCE = 2**22  # numbers in memory at a time: 32 MB


def replacement_values(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles of every feature that occur among the training rows: `(N, D) -> (Q, D)`."""
    return np.quantile(rows, LEVELS, axis=0, method="nearest")


def contributions(
    score: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    rows: NDArray[np.float64],
    replacements: NDArray[np.float64],
) -> NDArray[np.float64]:
    """`c_j(x)` of every feature of every row: `(N, D) -> (N, D)`; the larger, the more the feature is to blame.

    Args:
        score: `(N, D) -> (N,)`.
        rows: `(N, D)`.
        replacements: `(Q, D)`, of `replacement_values`.
    """
    levels, features = replacements.shape
    before = score(rows)
    gains = np.empty(rows.size)
    each = max(1, AT_ONCE // (levels * features))  # cells of the table looked at together
    for start in range(0, rows.size, each):
        cells = np.arange(start, min(start + each, rows.size))
        row, column = np.divmod(cells, features)
        changed = np.repeat(rows[row][:, None], levels, axis=1)
        changed[np.arange(len(cells)), :, column] = replacements[:, column].T
        after = score(changed.reshape(-1, features)).reshape(len(cells), levels)
        gains[cells] = after.max(axis=1) - before[row]
    return gains.reshape(rows.shape)
