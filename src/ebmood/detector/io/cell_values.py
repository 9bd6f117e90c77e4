"""Read the cells of a table column as numbers, as names of categories, or as dates, and find the cells that are odd.

A cell is missing if it is empty, null or NaN, or one of `MISSING_WORDS`. For a number, some further words are missing
values. They may be categories, because `NA` may be the code of Namibia.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import types

from ebmood.detector.io.arrow import compute
from ebmood.detector.io.categories import MISSING_WORDS, category_name
from ebmood.detector.io.dates import DateFormat, Times, read_dates
from ebmood.detector.io.durations import read_durations
from ebmood.detector.io.number_format import PLAIN, NumberFormat
from ebmood.detector.io.scalars import MAX_INTEGER

MISSING_NUMBERS = (
    *(
        "na",
        "n/a",
        "n.a.",
        "null",
        "(null)",
        "<null>",
        "none",
        "nil",
        "-",
        "--",
        ".",
        "#value!",
        "#div/0!",
        "#num!",
        "#null!",
    ),
    *("#n/a n/a", "-nan", "1.#qnan", "-1.#ind"),
)
"""Further words for a missing number or date, in lower case."""

YES_NO = {
    **dict.fromkeys(("true", "yes", "y", "t", "on"), 1.0),
    **dict.fromkeys(("false", "no", "n", "f", "off"), 0.0),
}
"""Words for yes and no in lower case, and the numbers that they stand for in a column of yes and no."""

BOOLEANS = {"true": 1.0, "false": 0.0}
"""How programs write booleans, in lower case. They are numbers in any column."""

LIMIT = "^(?:[<>]=?|[≤≥~≈])\\s*"
"""Regular expression of the sign before a limit of measurement or an estimate: `<0.5` is read as 0.5."""

INFINITE = {sign + word: float(sign + word) for sign in ("", "+", "-") for word in ("inf", "infinity")}

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


def is_text(kind: pyarrow.DataType) -> bool:
    """Return whether a column of this type holds text."""
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def is_unusable(kind: pyarrow.DataType) -> bool:
    """Return whether a column of this type holds neither numbers nor text nor dates nor durations."""
    is_binary = types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)
    is_interval = types.is_interval(kind)
    return types.is_nested(kind) or is_binary or types.is_fixed_size_binary(kind) or is_interval


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
    """Return text without spaces around it, and null for the words of `missing`, which are in lower case."""
    cells = compute.utf8_trim_whitespace(cells.cast(pyarrow.large_string()))
    cells = compute.replace_substring(
        cells, pattern="\u2212", replacement="-"
    )  # the minus sign of typesetters
    words = pyarrow.array(list(missing), pyarrow.large_string())
    is_missing = compute.is_in(compute.utf8_lower(cells), words)
    return compute.if_else(is_missing, pyarrow.scalar(None, pyarrow.large_string()), cells)


def read_numbers(
    cells: pyarrow.Array,
    style: NumberFormat = PLAIN,
    missing: Collection[str] = (),
    yes_no: bool = False,
) -> Cells[NDArray[np.float64]]:
    """Return a column as float64, with NaN for missing cells.

    A cell is odd if it is text, infinite, or a whole number that float64 cannot represent. A limit such as `<0.5` is
    read as the number 0.5.

    Args:
        cells: `(N,)` text, numbers, or booleans.
        style: how numbers are written in text.
        missing: further words for missing values, in lower case. A word that is a number is missing in any spelling.
        yes_no: whether words such as `yes` are numbers.
    """
    cells = decode(cells)
    kind = cells.type
    if is_text(kind):
        return _parse_text(cells, style, missing, yes_no)
    if types.is_boolean(kind):
        return Cells(cells.cast(pyarrow.int8()).cast(pyarrow.float64()).to_numpy(zero_copy_only=False))
    if types.is_null(kind):
        return Cells(np.full(len(cells), np.nan))
    if _is_number(kind):
        cells = _drop_numbers(cells, missing)
        values = cells.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)
        return _check_values(cells, values, {})
    return _all_odd(cells, f"a {kind}, not a number")


def read_seconds(cells: pyarrow.Array, missing: Collection[str] = ()) -> Cells[NDArray[np.float64]]:
    """Return a column of durations in seconds, float64, with NaN for missing cells.

    Args:
        cells: `(N,)` text or durations.
        missing: further words for missing values, in lower case.
    """
    cells = decode(cells)
    if is_text(cells.type):
        cells = clean_text(cells, {*MISSING_WORDS, *MISSING_NUMBERS, *missing})
    elif types.is_null(cells.type):
        return Cells(np.full(len(cells), np.nan))
    elif not types.is_duration(cells.type):
        return _all_odd(cells, f"a {cells.type}, not a duration")
    values, odd = read_durations(cells)
    return Cells(values, _odd_cells(cells, odd, "is not a duration like 01:23:45 or 2h 5m"))


def read_categories(cells: pyarrow.Array, missing: Collection[str] = ()) -> Cells[pyarrow.StringArray]:
    """Return a column as names of categories, with null for missing cells.

    One value in two types gets one name; see `ebmood.detector.io.categories`.

    Args:
        cells: `(N,)` text, numbers, booleans, dates or times.
        missing: further words for missing values, in lower case.
    """
    cells = decode(cells)
    if is_unusable(cells.type):
        odd = _all_odd(cells, f"a {cells.type}, not a category")
        return Cells(pyarrow.nulls(len(cells), pyarrow.string()), odd.errors)
    encoded = cells.dictionary_encode()
    names = [category_name(value) for value in encoded.dictionary.to_pylist()]
    known = [None if name is not None and name.lower() in missing else name for name in names]
    return Cells(pyarrow.array(known, pyarrow.string()).take(encoded.indices))


def read_times(cells: pyarrow.Array, style: DateFormat, missing: Collection[str] = ()) -> Cells[Times]:
    """Return a column as dates and times, with NaT for missing cells.

    Args:
        cells: `(N,)` text, numbers, dates or times.
        style: how dates are written in text and in numbers.
        missing: further words for missing values, in lower case.
    """
    cells = decode(cells)
    if is_text(cells.type):
        cells = clean_text(cells, {*MISSING_WORDS, *MISSING_NUMBERS, *missing})
        if style.is_number:
            numbers = _parse_text(cells, PLAIN, missing)
            times, wrong = read_dates(pyarrow.array(numbers.values, mask=np.isnan(numbers.values)), style)
            return Cells(times, numbers.errors | _odd_cells(cells, wrong, "is not a date"))
    elif _is_number(cells.type):
        cells = _drop_numbers(cells, missing)
        if types.is_floating(cells.type):
            cells = compute.if_else(compute.is_nan(cells), pyarrow.scalar(None, cells.type), cells)
    elif types.is_null(cells.type):
        return Cells(np.full(len(cells), np.datetime64("NaT", "us")))
    elif is_unusable(cells.type) or types.is_boolean(cells.type) or types.is_duration(cells.type):
        return Cells(
            np.full(len(cells), np.datetime64("NaT", "us")),
            _all_odd(cells, f"a {cells.type}, not a date").errors,
        )
    times, wrong = read_dates(cells, style)
    return Cells(times, _odd_cells(cells, wrong, f"is not a date like {style}"))


def _parse_text(
    cells: pyarrow.Array, style: NumberFormat, missing: Collection[str], yes_no: bool = False
) -> Cells[NDArray[np.float64]]:
    if style.is_plain and not missing:
        trimmed = compute.utf8_trim_whitespace(cells.cast(pyarrow.large_string()))
        try:  # most columns hold nothing but plain numbers
            return _check_values(
                trimmed, compute.cast(trimmed, pyarrow.float64()).to_numpy(zero_copy_only=False), {}
            )
        except pyarrow.ArrowInvalid:
            pass
    cells = clean_text(cells, {*MISSING_WORDS, *MISSING_NUMBERS, *missing})
    values, odd = _parse_numbers(cells, style)
    if odd.any():
        limits, is_other = _parse_numbers(compute.replace_substring_regex(cells, LIMIT, ""), style)
        values = np.where(odd & ~is_other, limits, values)
        odd &= is_other
        lower = compute.utf8_lower(cells)
        for word, number in (INFINITE | BOOLEANS | (YES_NO if yes_no else {})).items():
            is_word = compute.fill_null(compute.equal(lower, word), False).to_numpy(zero_copy_only=False)
            values[is_word] = number
            odd &= ~is_word
    problem = "is not a number" if style.is_plain else f"is not a number with {style.describe()}"
    problem = "is neither a number nor yes or no" if yes_no else problem
    errors = _odd_cells(cells, odd, problem)
    if errors:
        names = {".": "decimal point", ",": "decimal comma"}
        other = "," if style.decimal == "." else "."
        swapped = style.model_copy(update={"decimal": other, "thousands": ""})
        is_swapped = odd & ~swapped.parse(cells)[1]
        problem = f"has a {names[other]}, but the numbers of this column have {names[style.decimal]}s"
        errors |= _odd_cells(cells, is_swapped, problem)
    values = np.where(np.isin(values, _numbers(missing)), np.nan, values)
    return _check_values(cells, values, errors)


def _parse_numbers(
    cells: pyarrow.Array, style: NumberFormat
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return numbers, also with separators of thousands that the format lacks, and which cells are none."""
    values, odd = style.parse(cells)
    if odd.any():
        grouped, is_other = style.parse_grouped(cells)
        values = np.where(odd & ~is_other, grouped, values)
        odd &= is_other
    return values, odd


def _is_number(kind: pyarrow.DataType) -> bool:
    return types.is_floating(kind) or types.is_integer(kind) or types.is_decimal(kind)


def _numbers(missing: Collection[str]) -> list[float]:
    """Return the words for missing values that are numbers: `-9999` is `-9999.0` as well."""
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
    return compute.if_else(is_missing, pyarrow.scalar(None, cells.type), cells)


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


def _all_odd(cells: pyarrow.Array, problem: str) -> Cells[NDArray[np.float64]]:
    present = cells.is_valid().to_numpy(zero_copy_only=False)
    errors = dict.fromkeys(np.flatnonzero(present).tolist(), problem)
    return Cells(np.full(len(cells), np.nan), errors)
