"""The range of each feature in the training rows, and rules for inputs of an embedding that lie far outside it.

Ranges are `(2, D)` arrays: the lowest and the highest training value of each feature. A distance of one range is the
difference between the two.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_RANGES = 100.0
"""An embedding is trusted up to this distance. Further away, it may map any input to an ordinary value."""


def training_ranges(rows: Floats) -> Floats:
    """Return the lowest and highest value of each feature: `(N, D)` to `(2, D)`. Missing values are left out.

    A feature without values has the range from 0 to 0.
    """
    low = np.fmin.reduce(rows, axis=0)
    high = np.fmax.reduce(rows, axis=0)
    return np.nan_to_num(np.stack([low, high]))


def range_widths(ranges: Floats) -> Floats:
    """Return the width of each feature's training range, and 1 for a constant feature: `(2, D)` to `(D,)`.

    >>> range_widths(np.array([[0.0, 5.0], [10.0, 5.0]]))
    array([10.,  1.])
    """
    width = ranges[1] - ranges[0]
    return np.where(width > 0, width, 1.0)


def ranges_outside(rows: Floats, ranges: Floats) -> Floats:
    """Return by how many training ranges each row lies outside, in its most distant feature: `(N, D)` to `(N,)`."""
    low, high = ranges
    with np.errstate(over="ignore"):
        outside = np.maximum(low - rows, rows - high) / range_widths(ranges)
    return np.clip(np.nan_to_num(outside, nan=0.0), 0.0, 1e300).max(axis=1)


def clip_to_ranges(rows: Floats, ranges: Floats) -> Floats:
    """Clip rows `(N, D)` to `MAX_RANGES` outside the training ranges, so that no module receives 1e300."""
    margin = MAX_RANGES * range_widths(ranges)
    return np.clip(rows, ranges[0] - margin, ranges[1] + margin)


def lower_distant_scores(scores: Floats, rows: Floats, ranges: Floats, lowest: float) -> Floats:
    """Lower the scores of rows so far outside that an embedding which saturates could make them look ordinary.

    Args:
        scores: `(N,)`, scores of the embedded rows.
        rows: `(N, D)`, the rows before the embedding.
        ranges: `(2, D)`.
        lowest: the lowest score of a training row. Rows more than `MAX_RANGES` outside get a lower score than this.
    """
    excess = ranges_outside(rows, ranges)
    below = lowest - np.log(np.maximum(excess / MAX_RANGES, 1.0))
    return np.where(excess > MAX_RANGES, np.minimum(scores, below), scores)
