"""Decide which cycles are read of a column of dates or times."""

from collections.abc import Collection

import numpy as np
import pyarrow

from ebmood.detector.io.cell_values import read_times
from ebmood.detector.io.dates import DateFormat
from ebmood.detector.preparation.columns import DateColumn
from ebmood.detector.preparation.cycles import Cycle
from ebmood.detector.preparation.decision import Decision


def decide_dates(
    name: str, cells: pyarrow.Array, style: DateFormat, missing: Collection[str], reason: str = ""
) -> Decision:
    """Return the decision about a column of dates or times.

    Args:
        name: name of the column.
        cells: `(N,)` text, numbers, dates or times.
        style: how dates are written in text and in numbers.
        missing: further words for missing values.
        reason: why the column is read as dates, in words.
    """
    times = read_times(cells, style, missing)
    if np.isnat(times.values).all():
        return Decision.leave_out(name, "empty", "has no values", constant="")
    cycles = tuple(cycle for cycle in Cycle if cycle.is_whole(times.values))
    if not cycles:
        return Decision.leave_out(
            name, "date or time", "does not contain all hours of the day, weekdays, or months of the year"
        )
    column = DateColumn(name=name, format=style, cycles=cycles)
    return Decision(column, "date or time", f"cycle of {' and '.join(cycles)}", reason, times.errors)
