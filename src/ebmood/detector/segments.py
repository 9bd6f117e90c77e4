"""Segments: the values of one column, within which the calibration holds (Mondrian conformal prediction).

A segment column is one of the features. A segment is a value of it as float64: the number of a level in a category
column, a number in any other, and NaN for missing values.
"""

import numpy as np

from ebmood.core.errors import InputError
from ebmood.core.settings import Settings
from ebmood.detector.calibration_scores import MISSING, CalibrationScores
from ebmood.detector.cells.categories import Levels, category_name


class SegmentSummary(Settings):
    """The calibration of one segment.

    Attributes:
        name: the value of the segment column.
        calibration_rows: number of its calibration rows.
        pooled: whether these are too few, so that it is compared with those of all such segments together.
        threshold: rows with a lower score are flagged; None if no row can be flagged. With weights, it is that of a row
            of mean weight.
        false_alarm_rate: fraction of normal rows that is flagged, on average over fits, and over the pooled segments if
            it is pooled. None if it is unknown, because the pooled segments together have too few calibration rows, so
            that it is compared with those of all segments.
    """

    name: str
    calibration_rows: int
    pooled: bool
    threshold: float | None
    false_alarm_rate: float | None


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
    if np.isnan(value) or value == MISSING:
        return "(missing)"
    if levels is None:
        return category_name(float(value)) or ""
    return levels[int(value)] if 0 <= value < len(levels) else "(unknown)"


def summarise_segments(
    calibration: CalibrationScores, alpha: float, levels: Levels | None
) -> tuple[SegmentSummary, ...]:
    """Return the calibration of every segment at level `alpha`; nothing without segments.

    Args:
        calibration: the calibration scores.
        alpha: the level.
        levels: the names of the levels of the segment column, if it is a category column.
    """
    summaries = []
    for value, rows in calibration.segment_sizes.items():
        group = calibration.own.get(value, calibration.others)
        threshold = group.offset(alpha)
        summaries.append(
            SegmentSummary(
                name=segment_name(value, levels),
                calibration_rows=rows,
                pooled=value not in calibration.own,
                threshold=threshold if np.isfinite(threshold) else None,
                false_alarm_rate=None if value in calibration.without_rate else group.false_alarm_rate(alpha),
            )
        )
    return tuple(summaries)
