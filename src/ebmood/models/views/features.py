"""Whether the columns of a table are the features of a network: many, continuous, and of one scale."""

import numpy as np

from ebmood.models.views.one_unit import columns_share_unit

MIN_COLUMNS = 64
"""Feature vectors have at least this many columns."""

MIN_EFFECTIVE_COLUMNS = 24.0
"""At least this many columns share the variance."""

MIN_DISTINCT = 0.1
"""Distinct values of a typical column of features, as a fraction of the rows."""

ENOUGH_DISTINCT = 64
"""So many distinct values suffice, because features of few bits have no more."""

CHECK_ROWS = 2_000
"""Rows that are examined; evenly spaced, at most twice as many."""


def are_features(x: np.ndarray) -> bool:
    """Return whether the columns of `(N, D)` appear to be features of a network, such as embeddings.

    Euclidean distances of such rows make sense without any scaling of columns: no few columns dominate them because
    of their units. This is so if the variance of the table is spread over many columns. The measure is the
    participation ratio `(sum v_c)^2 / sum v_c^2` of the variances v_c of columns. It is D for equal variances, and
    about the number of columns with the largest unit in a table of mixed units. Columns that are constant have no part
    in it. Values must be continuous: tables of codes are not features, nor are those of grey levels or grades
    (`columns_share_unit`).

    >>> rows = np.random.default_rng(0).normal(size=(50, 100))
    >>> are_features(rows)
    True
    >>> are_features(rows * 10 ** np.linspace(0, 6, 100))
    False
    """
    if x.shape[1] < MIN_COLUMNS or len(x) < 2:
        return False
    sample = x[:: max(1, len(x) // CHECK_ROWS)]
    low, high = sample.min(axis=0), sample.max(axis=0)
    if not (high > low).any():
        return False
    varying = sample[:, high > low]
    # avoids overflow and underflow in the squares
    variances = np.square((varying / np.abs(varying).max()).std(axis=0))
    if variances.sum() ** 2 < MIN_EFFECTIVE_COLUMNS * np.square(variances).sum():
        return False
    if columns_share_unit(varying):
        return False
    return distinct_values(varying) >= min(MIN_DISTINCT * len(sample), ENOUGH_DISTINCT)


def distinct_values(x: np.ndarray) -> float:
    """Return the number of distinct values of the median column of `(N, D)`."""
    ordered = np.sort(x, axis=0)
    return float(np.median((np.diff(ordered, axis=0) > 0).sum(axis=0) + 1))
