"""Read the cells of a table column as numbers, durations, categories or dates. A cell that cannot be read is odd.

A cell is missing if it is empty, null or NaN, or one of `MISSING_WORDS`. A number, duration or date is also missing if
it is one of `MISSING_NUMBERS`. These may be categories: `NA` may be the code of Namibia.
"""

import datetime
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import types

from ebmood.detector.cells.arrow import compute
from ebmood.detector.cells.categories import MISSING_WORDS, category_name
from ebmood.detector.cells.dates import DateFormat, Times, read_dates
from ebmood.detector.cells.durations import read_durations
from ebmood.detector.cells.number_format import PLAIN, NumberFormat

MISSING_NUMBERS = (
    *("na", "n/a", "n.a.", "null", "(null)", "<null>", "none", "nil", "-", "--", "."),
    *("#value!", "#div/0!", "#num!", "#null!", "#n/a n/a", "-nan", "1.#qnan", "-1.#ind"),
)
"""Further words for a missing number or date, in lower case."""

YES_NO = {
    **dict.fromkeys(("true", "yes", "y", "t", "on"), 1.0),
    **dict.fromkeys(("false", "no", "n", "f", "off"), 0.0),
}
"""Words for yes and no in lower case, and the numbers that replace them in a column of yes and no."""

BOOLEANS = {"true": 1.0, "false": 0.0}
"""How programs write booleans, in lower case. They are numbers in any column."""

MAX_INTEGER = 2**53
"""Float64 represents every whole number up to this one. Two larger identifiers may become equal."""

LIMIT = "^(?:[<>]=?|[≤≥~≈])\\s*"
"""Regular expression of the sign before a limit of measurement or an estimate: `<0.5` is read as 0.5."""

INFINITE = {sign + word: float(sign + word) for sign in ("", "+", "-") for word in ("inf", "infinity")}

_FIRST_DAY = (datetime.date.min - datetime.date(1970, 1, 1)).days
_LAST_DAY = (datetime.date.max - datetime.date(1970, 1, 1)).days
"""Days since 1970 of the first and the last date that Python has."""

_PER_DAY = {unit: 86_400 * 10**digits for unit, digits in (("s", 0), ("ms", 3), ("us", 6), ("ns", 9))}

T = TypeVar("T")
_INTEGER = re.compile(r"[+-]?[0-9]+")


@dataclass(frozen=True)
class Cells(Generic[T]):
    """The cells of a column.

    Attributes:
        values: `(N,)`, with missing values for missing and for odd cells.
        errors: what is wrong with each odd cell, by its row.
    """

    values: T
    errors: dict[int, str] = field(default_factory=dict)


def is_text(dtype: pyarrow.DataType) -> bool:
    """Return whether a column of this type holds text."""
    return types.is_string(dtype) or types.is_large_string(dtype) or types.is_string_view(dtype)


def is_unusable(dtype: pyarrow.DataType) -> bool:
    """Return whether a column of this type holds neither numbers nor text nor dates nor durations."""
    is_binary = types.is_binary(dtype) or types.is_large_binary(dtype) or types.is_binary_view(dtype)
    is_interval = types.is_interval(dtype)
    return types.is_nested(dtype) or is_binary or types.is_fixed_size_binary(dtype) or is_interval


def is_list(kind: pyarrow.DataType) -> bool:
    """Return whether each cell of a column of this type holds several values, as embeddings do."""
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def decode(cells: pyarrow.Array) -> pyarrow.Array:
    """Return the values of a dictionary, run-end encoded or extension array, and other arrays unchanged."""
    if isinstance(cells.type, pyarrow.BaseExtensionType):
        cells = cells.storage
    if types.is_run_end_encoded(cells.type):
        cells = compute.run_end_decode(cells)
    return cells.dictionary_decode() if types.is_dictionary(cells.type) else cells


def clean_text(cells: pyarrow.Array, missing: Collection[str]) -> pyarrow.Array:
    """Return text without spaces around it, and null for all words for missing numbers.

    Args:
        cells: `(N,)` text.
        missing: further words for missing values, in lower case.
    """
    cells = compute.utf8_trim_whitespace(cells.cast(pyarrow.large_string()))
    cells = compute.replace_substring(cells, pattern="\N{MINUS SIGN}", replacement="-")
    words = pyarrow.array([*MISSING_WORDS, *MISSING_NUMBERS, *missing], pyarrow.large_string())
    is_missing = compute.is_in(compute.utf8_lower(cells), words)
    return compute.if_else(is_missing, None, cells)


def read_numbers(
    cells: pyarrow.Array,
    number_format: NumberFormat = PLAIN,
    missing: Collection[str] = (),
    yes_no: bool = False,
) -> Cells[NDArray[np.float64]]:
    """Return a column as float64, with NaN for missing cells.

    A cell is odd if it is text, infinite, or a whole number that float64 cannot represent. A limit such as `<0.5` is
    read as the number 0.5.

    Args:
        cells: `(N,)` text, numbers, or booleans.
        number_format: how numbers are written in text.
        missing: further words for missing values, in lower case. A word that is a number is missing in any spelling.
        yes_no: whether words such as `yes` are numbers.
    """
    cells = decode(cells)
    dtype = cells.type
    if is_text(dtype):
        return _parse_text(cells, number_format, missing, yes_no)
    if types.is_boolean(dtype):
        return Cells(np.asarray(cells.cast(pyarrow.int8()).cast(pyarrow.float64())))
    if _is_number(dtype):
        cells = _drop_numbers(cells, missing)
        values = np.asarray(cells.cast(pyarrow.float64(), safe=False))
        return _check_values(cells, values, {})
    return Cells(np.full(len(cells), np.nan), all_odd(cells, f"a {dtype}, not a number"))


def read_seconds(cells: pyarrow.Array, missing: Collection[str] = ()) -> Cells[NDArray[np.float64]]:
    """Return a column of durations in seconds, float64, with NaN for missing cells.

    Args:
        cells: `(N,)` text or durations.
        missing: further words for missing values, in lower case.
    """
    cells = decode(cells)
    if is_text(cells.type):
        cells = clean_text(cells, missing)
    elif not types.is_duration(cells.type):
        return Cells(np.full(len(cells), np.nan), all_odd(cells, f"a {cells.type}, not a duration"))
    values, odd = read_durations(cells)
    return Cells(values, _odd_cells(cells, odd, "is not a duration like 01:23:45 or 2h 5m"))


def read_categories(cells: pyarrow.Array, missing: Collection[str] = ()) -> Cells[pyarrow.StringArray]:
    """Return a column as names of categories, with null for missing cells.

    One value in two types gets one name; see `ebmood.detector.cells.categories`.

    Args:
        cells: `(N,)` text, numbers, booleans, dates or times.
        missing: further words for missing values, in lower case.
    """
    cells, errors = drop_unreadable_times(decode(cells))
    if is_unusable(cells.type):
        nulls = pyarrow.nulls(len(cells), pyarrow.string())
        return Cells(nulls, all_odd(cells, f"a {cells.type}, not a category"))
    encoded = cells.dictionary_encode()
    names = [category_name(value) for value in encoded.dictionary.to_pylist()]
    words = {*missing, *map(category_name, missing)}
    present = [None if name is None or name.lower() in words else name for name in names]
    return Cells(pyarrow.array(present, pyarrow.string()).take(encoded.indices), errors)


def distinct_names(cells: pyarrow.Array, missing: Collection[str] = ()) -> list[str]:
    """Return the names of the categories of a column, each once; see `read_categories`."""
    return read_categories(cells, missing).values.drop_null().unique().to_pylist()


def read_times(cells: pyarrow.Array, date_format: DateFormat, missing: Collection[str] = ()) -> Cells[Times]:
    """Return a column as dates and times, with NaT for missing cells.

    Args:
        cells: `(N,)` text, numbers, dates or times.
        date_format: how dates are written in text and in numbers.
        missing: further words for missing values, in lower case.
    """
    cells, errors = drop_unreadable_times(decode(cells))
    if is_text(cells.type):
        cells = clean_text(cells, missing)
        if date_format.is_number:
            numbers = _parse_text(cells, PLAIN, missing)
            times, odd = read_dates(pyarrow.array(numbers.values, from_pandas=True), date_format)
            return Cells(times, numbers.errors | _odd_cells(cells, odd, "is not a date"))
    elif _is_number(cells.type):
        cells = _drop_numbers(cells, missing)
        if types.is_floating(cells.type):
            cells = compute.if_else(compute.is_nan(cells), None, cells)
    elif is_unusable(cells.type) or types.is_duration(cells.type) or not types.is_temporal(cells.type):
        missing_times = np.full(len(cells), np.datetime64("NaT", "us"))
        return Cells(missing_times, errors or all_odd(cells, f"a {cells.type}, not a date"))
    times, odd = read_dates(cells, date_format)
    return Cells(times, errors | _odd_cells(cells, odd, f"is not a date like {date_format}"))


def drop_unreadable_times(cells: pyarrow.Array) -> tuple[pyarrow.Array, dict[int, str]]:
    """Return cells with null for dates beyond the years 1 to 9999 and for times in an unknown zone, and their errors.

    Cells that are neither dates nor times with dates are returned unchanged.
    """
    dtype = cells.type
    if not (types.is_timestamp(dtype) or types.is_date(dtype)):
        return cells, {}
    views = [cells]
    if types.is_timestamp(dtype) and dtype.tz:
        try:
            views = [cells.cast(pyarrow.timestamp(dtype.unit)), compute.local_timestamp(cells)]
        except pyarrow.ArrowInvalid:
            return pyarrow.nulls(len(cells)), all_odd(
                cells, f"a time in the zone {dtype.tz!r}, which is unknown"
            )
    beyond = np.zeros(len(cells), dtype=bool)
    for view in views:
        if types.is_date32(dtype):
            days = view.view(pyarrow.int32())
            per_day = 1
        else:
            days = view.view(pyarrow.int64())
            per_day = _PER_DAY["ms" if types.is_date64(dtype) else dtype.unit]
        whole_days = np.asarray(days.fill_null(0)) // per_day
        beyond |= (whole_days < _FIRST_DAY) | (whole_days > _LAST_DAY)
    if not beyond.any():
        return cells, {}
    errors = dict.fromkeys(np.flatnonzero(beyond).tolist(), "a date beyond the years 1 to 9999")
    return compute.if_else(pyarrow.array(beyond), None, cells), errors


def _parse_text(
    cells: pyarrow.Array, number_format: NumberFormat, missing: Collection[str], yes_no: bool = False
) -> Cells[NDArray[np.float64]]:
    if number_format.is_plain and not missing:
        trimmed = compute.utf8_trim_whitespace(cells.cast(pyarrow.large_string()))
        try:  # most columns hold nothing but plain numbers
            return _check_values(trimmed, np.asarray(compute.cast(trimmed, pyarrow.float64())), {})
        except pyarrow.ArrowInvalid:
            pass
    cells = clean_text(cells, missing)
    values, odd = _parse_numbers(cells, number_format)
    if odd.any():
        limits, is_other = _parse_numbers(compute.replace_substring_regex(cells, LIMIT, ""), number_format)
        values = np.where(odd & ~is_other, limits, values)
        odd &= is_other
        lower = compute.utf8_lower(cells)
        for word, number in (INFINITE | BOOLEANS | (YES_NO if yes_no else {})).items():
            is_word = np.asarray(compute.fill_null(compute.equal(lower, word), False))
            values[is_word] = number
            odd &= ~is_word
    errors = _describe_odd(cells, odd, number_format, yes_no)
    values = np.where(np.isin(values, _numbers(missing)), np.nan, values)
    return _check_values(cells, values, errors)


def _describe_odd(
    cells: pyarrow.Array, odd: NDArray[np.bool_], number_format: NumberFormat, yes_no: bool
) -> dict[int, str]:
    """Return why cells of text are not numbers, by row."""
    if not odd.any():
        return {}
    if yes_no:
        problem = "is neither a number nor yes or no"
    elif number_format.is_plain:
        problem = "is not a number"
    else:
        problem = f"is not a number with {number_format.describe()}"
    names = {".": "decimal point", ",": "decimal comma"}
    other = "," if number_format.decimal == "." else "."
    swapped = number_format.model_copy(update={"decimal": other, "thousands": ""})
    has_other = np.asarray(compute.fill_null(compute.match_substring(cells, other), False))  # 1e3 has none
    is_swapped = odd & has_other & ~swapped.parse(cells)[1]
    swap = f"has a {names[other]}, but the numbers of this column have {names[number_format.decimal]}s"
    return _odd_cells(cells, odd, problem) | _odd_cells(cells, is_swapped, swap)


def _parse_numbers(
    cells: pyarrow.Array, number_format: NumberFormat
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return numbers, also with separators of thousands that the format lacks, and which cells are none."""
    values, odd = number_format.parse(cells)
    if odd.any():
        grouped, is_other = number_format.parse_grouped(cells)
        values = np.where(odd & ~is_other, grouped, values)
        odd &= is_other
    return values, odd


def _is_number(dtype: pyarrow.DataType) -> bool:
    return types.is_floating(dtype) or types.is_integer(dtype) or types.is_decimal(dtype)


def _numbers(missing: Collection[str]) -> list[float]:
    """Return the numbers among words for missing values. `-9999` also stands for `-9999.0`."""
    words = pyarrow.array([word.strip() for word in missing], pyarrow.string())
    numbers, odd = PLAIN.parse(words)
    return numbers[~odd].tolist()


def _drop_numbers(cells: pyarrow.Array, missing: Collection[str]) -> pyarrow.Array:
    """Return numbers, with null for those that are words for missing values."""
    numbers = _numbers(missing)
    if not numbers:
        return cells
    values = pyarrow.array(numbers, pyarrow.float64())
    is_missing = compute.is_in(cells.cast(pyarrow.float64(), safe=False), values)
    return compute.if_else(is_missing, None, cells)


def _check_values(
    cells: pyarrow.Array, values: NDArray[np.float64], errors: dict[int, str]
) -> Cells[NDArray[np.float64]]:
    """Add infinite numbers, and whole numbers that float64 cannot represent, to the odd cells."""
    with np.errstate(invalid="ignore"):
        suspects = np.flatnonzero(np.abs(values) >= MAX_INTEGER)
    if len(suspects) and not values.flags.writeable:
        values = values.copy()
    for row in suspects.tolist():
        text = str(cells[row].as_py())
        if np.isinf(values[row]):
            errors[row] = f"{text[:40]} is infinite"
        elif _INTEGER.fullmatch(text) and len(text) < 400 and abs(int(text)) > MAX_INTEGER:
            errors[row] = (
                f"the whole number {text[:40]} is larger than 2^53, where float64 does not represent every whole number"
            )
        else:
            continue
        values[row] = np.nan
    return Cells(values, errors)


def _odd_cells(cells: pyarrow.Array, odd: NDArray[np.bool_], problem: str) -> dict[int, str]:
    return {row: f"{str(cells[row].as_py())[:40]!r} {problem}" for row in np.flatnonzero(odd).tolist()}


def all_odd(cells: pyarrow.Array, problem: str) -> dict[int, str]:
    """Return one problem for all cells that are not null, by row."""
    return dict.fromkeys(compute.indices_nonzero(cells.is_valid()).to_pylist(), problem)
