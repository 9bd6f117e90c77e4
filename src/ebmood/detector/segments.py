"""Segments: the values of one column, within which the calibration holds (Mondrian conformal prediction).

A segment column is one of the features. A segment is a value of it as float64: the number of a level in a category
column, a number in any other, and NaN for missing values.
"""

import numpy as np
from numpy.typing import NDArray

from ebmood.core.errors import InputError
from ebmood.detector.io.categories import Levels, category_name

Floats = NDArray[np.float64]


def find_segment_column(
    segment: str | int | None, shape: tuple[int, ...] | None, names: tuple[str, ...] | None
) -> int | None:
    """Return the number of the segment column; None without segments.

    Args:
        segment: the name of a column of a data frame, the number of a column, or None.
        shape: shape of one row of X; None if X does not hold numbers.
        names: column names of X, if it has names.

    Raises:
        InputError: X is not a table, or has no such column.
    """
    if segment is None:
        return None
    if shape is None or len(shape) != 1:
        raise InputError(f"segment={segment!r}: needs a table, and X has rows of shape {shape}; leave it out")
    if isinstance(segment, str):
        if names is None or segment not in names:
            known = "X has no column names" if names is None else f"the columns are {', '.join(names)}"
            raise InputError(f"segment={segment!r}: no such column ({known[:200]}); name a column of X")
        return names.index(segment)
    if isinstance(segment, bool) or not isinstance(segment, (int, np.integer)):
        raise InputError(f"segment={segment!r}: must be the name or the number of a column, or None")
    if not 0 <= segment < shape[0]:
        raise InputError(
            f"segment={segment}: X has the columns 0 to {shape[0] - 1}; give one of these numbers"
        )
    return int(segment)


def segment_name(value: float, levels: Levels | None) -> str:
    """Return the name of a segment, as a category of this value is named.

    Args:
        value: the value in the segment column.
        levels: the names of its levels, if it is a category column.

    >>> segment_name(2.0, None), segment_name(1.0, ("a", "b")), segment_name(float("nan"), None)
    ('2', 'b', '(missing)')
    """
    if np.isnan(value):
        return "(missing)"
    if levels is None:
        return category_name(float(value)) or ""
    return levels[int(value)] if 0 <= value < len(levels) else "(unknown)"
