"""Decide what a column of numbers is: measurements, or an id, a row counter, a constant."""

import re
from collections.abc import Collection

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import types

from ebmood.core.interface import for_interface
from ebmood.detector.cells.cell_values import MAX_INTEGER, distinct_names, read_numbers, read_seconds
from ebmood.detector.cells.dates import DateFormat, epoch_format, possible_date_formats
from ebmood.detector.cells.number_format import NumberFormat
from ebmood.detector.preparation.category_rules import decide_categories
from ebmood.detector.preparation.columns import NumberColumn
from ebmood.detector.preparation.date_rules import decide_dates
from ebmood.detector.preparation.decision import BY_OPTION, FEW_ROWS, Decision, find_trend, join_reasons

MOSTLY_MISSING = 0.95
"""Share of missing values from which a column is left out."""

EXPECTED_REPEATS = 10
"""Whole numbers without equal values are an id if at least so many pairs of equal values are expected by chance."""

LARGE = 1e11
"""Whole numbers above this are times, whatever the column name, if `epoch_format` finds a format for them."""

SEVERAL_VALUES = 5
"""Different values that a column must have so that one of them may mean missing."""

MISSING_CODES = frozenset(sign * float(code) for sign in (1, -1) for code in (99, 999, 9999, 99999, 999999))
"""Numbers that many tables use for missing values."""

_TIME_NAME = re.compile(r"(?:^|[_\W])(?:ts|epoch|unix\w*|timestamp|time|date)(?:$|[_\W])", re.IGNORECASE)
"""Column names such as `event_ts` and `Timestamp`, but not `counts`. Numbers in such a column may be times."""

_ID_NAME = re.compile(
    r"(?:^|[_\W])(?:id|ids|uuid|guid|key|index|idx|row|rowid|serial)$|[a-z](?:Id|ID)$|^unnamed: ?\d+$",
    re.IGNORECASE,
)

_NUMBER_NAME = re.compile(r"(?:#|(?:^|[_\W])(?:no|nr|num)\.?|(?:nr\.?|nummer|number))\s*$", re.IGNORECASE)
"""Column names such as `Account #` and `Order Number`. Whole numbers in such a column are an id if none repeats."""


def decide_numbers(
    name: str,
    cells: pyarrow.Array,
    number_format: NumberFormat,
    missing: Collection[str],
    is_forced: bool = False,
    doubt: str = "",
) -> Decision:
    """Return the decision about a column whose cells are numbers.

    Args:
        name: name of the column.
        cells: `(N,)` text, numbers or booleans.
        number_format: how numbers are written in text.
        missing: further words for missing values.
        is_forced: whether the user wants numbers.
        doubt: description of the format, in words, if it is a guess.
    """
    read = read_numbers(cells, number_format, missing)
    values = read.values[~np.isnan(read.values)]
    column = NumberColumn(name=name, format=number_format)
    trend = find_trend(values)
    if trend > 0:
        column = column.model_copy(update={"grew_to": float(values[-1])})
    if is_forced:
        return Decision(column, "number", "number", BY_OPTION, read.errors)
    if any("2^53" in problem for problem in read.errors.values()):
        return decide_categories(name, cells, missing, "whole numbers above 2^53")
    if not len(values) and read.errors:
        return Decision(column, "number", "number", problems=read.errors)
    if not len(values):
        return Decision.leave_out(name, "empty", "has no values", constant="")
    distinct = np.unique(values)
    gaps = 1 - len(values) / len(cells)
    if len(distinct) == 1 and not gaps:
        value, spellings = _show(values[0]), distinct_names(cells, missing)
        return Decision.leave_out(name, "constant", f"always {value}", value, spellings)
    if gaps > MOSTLY_MISSING:
        return Decision.leave_out(name, "mostly missing", f"empty in {gaps:.0%} of the rows")
    if types.is_boolean(cells.type) or np.isin(distinct, (0.0, 1.0)).all():
        yes_no = NumberColumn(name=name, format=number_format, yes_no=True)
        return Decision(yes_no, "yes/no", "0 or 1", problems=read.errors)
    is_whole = bool((values == np.floor(values)).all() and (np.abs(values) <= MAX_INTEGER).all())
    if is_whole and not number_format.unit and not number_format.currency:
        special = _decide_whole_numbers(name, cells, values, distinct, missing)
        if special:
            return special
    epoch = epoch_format(distinct) if _TIME_NAME.search(name) and number_format.is_plain else None
    if epoch and not is_whole:  # with fractions of a second
        return decide_dates(name, cells, epoch, missing, str(epoch))
    missing_code = _describe_missing_code(values, distinct)
    reason = join_reasons(
        doubt or number_format.describe(),
        missing_code,
        f"only grows, up to {_show(values[-1])}" if trend > 0 else "",
        f"empty in {gaps:.0%} of the rows, which is a value of its own" if gaps > 0.5 else "",
    )
    kind = "mostly missing" if gaps > 0.5 else "number"
    doubts = tuple(filter(None, (doubt, missing_code)))
    return Decision(column, kind, "number", reason, read.errors, trend, doubts)


def decide_durations(
    name: str, cells: pyarrow.Array, missing: Collection[str], reason: str = "a duration, in seconds"
) -> Decision:
    """Return the decision about a column of durations.

    Args:
        name: name of the column.
        cells: `(N,)` text or durations.
        missing: further words for missing values.
        reason: why the column is read as durations, in words.
    """
    seconds = read_seconds(cells, missing)
    values = seconds.values[~np.isnan(seconds.values)]
    if len(np.unique(values)) <= 1 and not seconds.errors:
        return decide_categories(name, cells, missing)
    gaps = 1 - (len(values) + len(seconds.errors)) / len(cells)
    if gaps > MOSTLY_MISSING:
        return Decision.leave_out(name, "mostly missing", f"empty in {gaps:.0%} of the rows")
    trend = find_trend(values)
    column = NumberColumn(name=name, is_duration=True, grew_to=float(values[-1]) if trend > 0 else None)
    return Decision(column, "duration", "number", reason, seconds.errors, trend)


def _decide_whole_numbers(
    name: str,
    cells: pyarrow.Array,
    values: NDArray[np.float64],
    distinct: NDArray[np.float64],
    missing: Collection[str],
) -> Decision | None:
    """Return the decision about whole numbers that are dates, a row counter or an id, and else None."""
    rows = len(values)
    date = _whole_date_format(name, distinct)
    if date:
        return decide_dates(name, cells, date, missing, str(date) if date.is_number else "")
    steps = np.diff(values)
    if rows >= FEW_ROWS and rows == len(cells) and steps[0] != 0 and (steps == steps[0]).all():
        return Decision.leave_out(name, "row counter", f"grows by {_show(steps[0])} from row to row")
    is_unique = len(distinct) == rows
    if is_unique and rows >= FEW_ROWS:
        if (steps > 0).all():
            return Decision.leave_out(
                name, "only grows", "a different whole number in every row, in ascending order"
            )
        is_id_name = _ID_NAME.search(name) or _NUMBER_NAME.search(name)
        if is_id_name or _repeats_expected(distinct) >= EXPECTED_REPEATS:
            return Decision.leave_out(name, "id", "a different whole number in every row")
    if _ID_NAME.search(name) and rows >= FEW_ROWS:
        return decide_categories(name, cells, missing, "whole numbers, and the name says id")
    return None


def _whole_date_format(name: str, distinct: NDArray[np.float64]) -> DateFormat | None:
    """Return the format of whole numbers that are dates, and else None."""
    if _TIME_NAME.search(name) or distinct[0] > LARGE:
        epoch = epoch_format(distinct)
        if epoch:
            return epoch
    if len(distinct) > 1 and any(
        distinct[0] > 19e6 * unit and distinct[-1] < 21e6 * unit for unit in (1, 10**6)
    ):
        text = pyarrow.array([str(int(value)) for value in distinct])
        return DateFormat.COMPACT if DateFormat.COMPACT in possible_date_formats(text) else None
    return None


def _repeats_expected(distinct: NDArray[np.float64]) -> float:
    """Return how many pairs of equal values there would be if whole numbers were drawn from the same range.

    The range is that of the middle 90 % of the values, so that single large numbers do not count.
    """
    low, high = np.quantile(distinct, [0.05, 0.95])
    return (0.9 * len(distinct)) ** 2 / (2 * (high - low + 1))


def _describe_missing_code(values: NDArray[np.float64], distinct: NDArray[np.float64]) -> str:
    """Return in words that a number such as -999, far from the other values, may mean missing; empty if none does."""
    if len(distinct) < SEVERAL_VALUES:
        return ""
    for code, others in ((distinct[0], distinct[1:]), (distinct[-1], distinct[:-1])):
        is_far = np.abs(others - code).min() > np.ptp(others)
        count = int((values == code).sum())
        if code in MISSING_CODES and is_far and count > 1:
            option = for_interface("--missing", "missing=")
            return f"{_show(code)} in {count / len(values):.1%} of the rows may mean missing, see {option}"
    return ""


def _show(value: float) -> str:
    return f"{value:.15g}"
