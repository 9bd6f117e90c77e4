"""Read the cells of a table column as numbers or as names of categories, or raise one line that names the invalid cell.

A number is missing if its cell is empty, null, NaN, or one of the usual words for a missing value. A category is
missing only if its cell is empty, null or NaN, because `NA` may be the code of Namibia.
"""

import re

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import compute, types

from ebmood.core.errors import InputError
from ebmood.data.table_files import is_number
from ebmood.detector.io.categories import category_name
from ebmood.detector.io.column_names import format_option
from ebmood.detector.io.scalars import MAX_INTEGER
from ebmood.detector.io.table_stream import Chunk

MISSING_WORDS = ("", "na", "n/a", "nan", "null", "none")
"""Words for a missing number, in lower case."""

BOOLEANS = {
    "true": pyarrow.scalar("1", pyarrow.large_string()),
    "false": pyarrow.scalar("0", pyarrow.large_string()),
}
"""Words for booleans, in lower case, and the numbers that they stand for."""

_NULL = pyarrow.scalar(None, pyarrow.large_string())
_INTEGER = re.compile(r"[+-]?[0-9]+")


def read_numbers(chunk: Chunk, column: str) -> NDArray[np.float64]:
    """Return a column as float64, `(N,)`; NaN for missing cells.

    Raises:
        InputError: a cell is text, infinite, or a whole number that float64 cannot represent; or the column holds
            neither numbers nor text.
    """
    cells = _decode(chunk.rows.column(column))
    values = _to_float(chunk, column, cells)
    infinite = np.isinf(values)
    if infinite.any():
        row = int(infinite.argmax())
        raise InputError(
            f"{chunk.describe_cell(row, column)}: {cells[row].as_py()} is infinite; remove the row, or fit "
            f"with {format_option('--drop', column)}"
        )
    return values


def read_categories(chunk: Chunk, column: str) -> pyarrow.StringArray:
    """Return a column as names of categories, `(N,)`; null for missing cells.

    One value in two types gets one name; see `ebmood.detector.io.categories`.

    Raises:
        InputError: the column holds neither text, numbers, booleans nor dates.
    """
    cells = _decode(chunk.rows.column(column))
    if types.is_nested(cells.type) or types.is_binary(cells.type) or types.is_large_binary(cells.type):
        raise InputError(
            f"{chunk.source}: column {column!r} holds {cells.type}, not categories; leave it out with "
            f"{format_option('--drop', column)}"
        )
    encoded = cells.dictionary_encode()
    names = pyarrow.array([category_name(v) for v in encoded.dictionary.to_pylist()], pyarrow.string())
    return names.take(encoded.indices)


def _decode(cells: pyarrow.Array) -> pyarrow.Array:
    return cells.dictionary_decode() if types.is_dictionary(cells.type) else cells


def _to_float(chunk: Chunk, column: str, cells: pyarrow.Array) -> NDArray[np.float64]:
    kind = cells.type
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return _parse_text(chunk, column, cells)
    if types.is_boolean(kind):
        return cells.cast(pyarrow.int8()).cast(pyarrow.float64()).to_numpy(zero_copy_only=False)
    if types.is_null(kind):
        return np.full(len(cells), np.nan)
    if types.is_floating(kind):
        return cells.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)
    if types.is_integer(kind) or types.is_decimal(kind):
        values = cells.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)
        _check_integers(chunk, column, cells, values)
        return values
    raise InputError(
        f"{chunk.source}: column {column!r} holds {kind}, not numbers; leave it out with "
        f"{format_option('--drop', column)}"
    )


def _parse_text(chunk: Chunk, column: str, cells: pyarrow.Array) -> NDArray[np.float64]:
    cells = compute.call_function("utf8_trim_whitespace", [cells.cast(pyarrow.large_string())])
    try:
        values = compute.cast(cells, pyarrow.float64()).to_numpy(zero_copy_only=False)
    except pyarrow.ArrowInvalid:
        values = _parse_text_with_missing(chunk, column, cells)
    _check_integers(chunk, column, cells, values)
    return values


def _parse_text_with_missing(chunk: Chunk, column: str, cells: pyarrow.Array) -> NDArray[np.float64]:
    """Parse text after words for missing values are replaced by null, and booleans by 1 and 0."""
    words = compute.SetLookupOptions(pyarrow.array(MISSING_WORDS, pyarrow.large_string()))
    is_missing = compute.call_function("is_in", [compute.call_function("utf8_lower", [cells])], words)
    present = compute.call_function("replace_with_mask", [cells, is_missing, _NULL])
    lower = compute.call_function("utf8_lower", [present])
    for word, number in BOOLEANS.items():
        is_word = compute.fill_null(
            compute.call_function("equal", [lower, pyarrow.scalar(word, lower.type)]), False
        )
        present = compute.call_function("replace_with_mask", [present, is_word, number])
    try:
        return compute.cast(present, pyarrow.float64()).to_numpy(zero_copy_only=False)
    except pyarrow.ArrowInvalid:
        row = next(row for row, cell in enumerate(present) if not is_number(cell))
        raise InputError(
            f"{chunk.describe_cell(row, column)}: {present[row].as_py()[:40]!r} is text, not a number; fit with "
            f"{format_option('--category', column)} if the column holds categories, or leave it out with "
            f"{format_option('--drop', column)}"
        ) from None


def _check_integers(chunk: Chunk, column: str, cells: pyarrow.Array, values: NDArray[np.float64]) -> None:
    """Refuse whole numbers that float64 cannot represent."""
    with np.errstate(invalid="ignore"):
        large = np.flatnonzero(np.abs(values) >= MAX_INTEGER)
    for row in large.tolist():
        text = str(cells[row].as_py())
        if _INTEGER.fullmatch(text) and len(text) < 400 and abs(int(text)) > MAX_INTEGER:
            raise InputError(
                f"{chunk.describe_cell(row, column)}: the whole number {text[:40]} is larger than 2^53, where float64 "
                "does not represent every whole number; "
                f"fit with {format_option('--drop', column)} if it is an identifier"
            )
