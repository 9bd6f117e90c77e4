"""Decide which cycles are read of a column of dates or times."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import pyarrow
from pyarrow import types

from ebmood.detector.cells.cell_values import read_seconds, read_times
from ebmood.detector.cells.dates import DateFormat
from ebmood.detector.cells.time_offsets import time_offsets
from ebmood.detector.io.column_names import format_option
from ebmood.detector.preparation.columns import DateColumn
from ebmood.detector.preparation.cycles import Cycle
from ebmood.detector.preparation.decision import Decision, find_trend

_MONTHS = (DateFormat.MONTH, DateFormat.MONTH_AND_YEAR, DateFormat.NAMED_MONTH, DateFormat.SHORT_MONTH)


def cycles_of(date_format: DateFormat) -> tuple[Cycle, ...]:
    """Return the cycles that dates of a format may have."""
    if date_format in (DateFormat.QUARTER, DateFormat.YEAR_AND_QUARTER):
        return (Cycle.QUARTER,)
    if date_format in _MONTHS:
        return (Cycle.MONTH,)
    if date_format == DateFormat.CLOCK:
        return (Cycle.HOUR,)
    return Cycle.HOUR, Cycle.WEEKDAY, Cycle.MONTH


def decide_dates(
    name: str,
    cells: pyarrow.Array,
    date_format: DateFormat,
    missing: Collection[str],
    reason: str = "",
    is_forced: bool = False,
) -> Decision:
    """Return the decision about a column of dates or times.

    Args:
        name: name of the column.
        cells: `(N,)` text, numbers, dates or times.
        date_format: how dates are written in text and in numbers.
        missing: further words for missing values.
        reason: why the column is read as dates, in words.
        is_forced: whether the user wants dates. Then a cycle needs to be either complete or repeated, not both.
    """
    times = read_times(cells, date_format, missing)
    is_clock = date_format == DateFormat.CLOCK or types.is_time(cells.type)  # of unknown days
    possible = (Cycle.HOUR,) if is_clock else cycles_of(date_format)
    is_empty = np.isnat(times.values).all()
    if times.errors and (is_forced or is_empty):
        column = DateColumn(name=name, format=date_format, cycles=possible)
        return Decision(column, "date or time", "cycle", reason, times.errors)
    if is_empty:
        return Decision.leave_out(name, "empty", "has no values", constant="")
    whole = tuple(cycle for cycle in possible if cycle.is_whole(times.values))
    repeated = tuple(cycle for cycle in possible if is_clock or cycle.repeats(times.values))
    either = tuple(cycle for cycle in possible if cycle in whole or cycle in repeated)
    cycles = either if is_forced else tuple(cycle for cycle in whole if cycle in repeated)
    if not cycles:
        is_duration = date_format == DateFormat.CLOCK and not read_seconds(cells, missing).errors
        why = _why_none(name, possible, either, is_clock, is_duration)
        decision = Decision.leave_out(name, "date or time", why)
    else:
        offsets = (
            () if date_format.is_number else time_offsets(cells, missing).unique().drop_null().to_pylist()
        )
        column = DateColumn(name=name, format=date_format, cycles=cycles, offsets=tuple(sorted(offsets)))
        treatment = f"cycle of {' and '.join(cycles)}"
        decision = Decision(column, "date or time", treatment, reason, times.errors)
    present = times.values[~np.isnat(times.values)]
    return decision if is_clock else replace(decision, trend=find_trend(present.astype(np.float64)))


def _why_none(
    name: str, possible: Sequence[Cycle], readable: Sequence[Cycle], is_clock: bool, is_duration: bool
) -> str:
    """Return in words why no cycle is read, and which option reads those that are readable."""
    phrases = {
        Cycle.HOUR: "hours of the day",
        Cycle.WEEKDAY: "weekdays",
        Cycle.MONTH: "months of the year",
        Cycle.QUARTER: "quarters",
    }
    wanted = " or ".join(filter(None, [", ".join(phrases[c] for c in possible[:-1]), phrases[possible[-1]]]))
    hints = [f"does not contain all {wanted}{'' if is_clock else ' often enough'}"]
    if readable:
        hints.append(
            f"{format_option('--date', name)} reads the {' and '.join(phrases[c] for c in readable)}"
        )
    if is_duration:
        hints.append(f"with {format_option('--number', name)} it is a duration")
    return "; ".join(hints)
