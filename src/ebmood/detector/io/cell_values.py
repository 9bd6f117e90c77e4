"""Cells of a table as numbers or as names of categories, or one line that says which cell is neither.

A number is missing where its cell is empty, null, NaN, or one of the words by which tables say so in text. A category
is missing where its cell is empty, null or NaN: `NA` may be Namibia.
"""

import re

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import compute
from pyarrow import types as kinds

from ebmood.core.errors import InputError
from ebmood.detector.io.table_stream import Piece

MISSING_WORDS = ("", "na", "n/a", "nan", "null", "none")
"""In lower case."""

EXACT = 2**53  # beyond it float64 skips whole numbers, so two identifiers may become one
_NOTHING = pyarrow.scalar(None, pyarrow.large_string())
_WHOLE = re.compile(r"[+-]?[0-9]+")
_WHOLE_AS_FLOAT = re.compile(r"([+-]?[0-9]+)\.0+")


def numbers(piece: Piece, column: str) -> NDArray[np.float64]:
    """A column as float64, `(N,)`; NaN where a cell is missing.

    Raises:
        InputError: a cell is text, infinite, or a whole number that float64 cannot hold; or the column holds neither
            numbers nor text.
    """
    cells = _plain(piece.rows.column(column))
    if _is_text(cells.type):
        values = _from_text(piece, column, cells)
    elif kinds.is_boolean(cells.type):
        values = cells.cast(pyarrow.int8()).cast(pyarrow.float64()).to_numpy(zero_copy_only=False)
    elif kinds.is_integer(cells.type) or kinds.is_floating(cells.type) or kinds.is_decimal(cells.type):
        values = cells.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)
        if not kinds.is_floating(cells.type):
            _check_whole(piece, column, cells, values)
    elif kinds.is_null(cells.type):
        values = np.full(len(cells), np.nan)
    else:
        raise InputError(
            f"{piece.where}: column {column!r} holds {cells.type}, not numbers; leave it out with "
            f"{option('--drop', column)}"
        )
    infinite = np.isinf(values)
    if infinite.any():
        row = int(infinite.argmax())
        raise InputError(
            f"{piece.place(row, column)}: {cells[row].as_py()} is infinite; leave the row out, or fit "
            f"with {option('--drop', column)}"
        )
    return values


def categories(piece: Piece, column: str) -> pyarrow.StringArray:
    """A column as names of categories, `(N,)`; the empty name where a cell is missing.

    The whole numbers `1`, `1.0` and `"1"` have one name, as programs write them all for the same.

    Raises:
        InputError: the column holds neither text, nor numbers, nor true and false, nor dates.
    """
    cells = _plain(piece.rows.column(column))
    if kinds.is_nested(cells.type) or kinds.is_binary(cells.type) or kinds.is_large_binary(cells.type):
        raise InputError(
            f"{piece.where}: column {column!r} holds {cells.type}, no categories; leave it out with "
            f"{option('--drop', column)}"
        )
    coded = cells.dictionary_encode()
    names = pyarrow.array([_name(value) for value in coded.dictionary.to_pylist()], pyarrow.string())
    return compute.fill_null(names.take(coded.indices), "")


def option(flag: str, column: str) -> str:
    """An option as it is typed."""
    plain = re.fullmatch(r"[\w.:=+@%/-]+", column)
    return f"{flag} {column}" if plain else f"{flag} {column!r}"


def _plain(cells: pyarrow.Array) -> pyarrow.Array:
    return cells.dictionary_decode() if kinds.is_dictionary(cells.type) else cells


def _is_text(kind: pyarrow.DataType) -> bool:
    return kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind)


def _from_text(piece: Piece, column: str, cells: pyarrow.Array) -> NDArray[np.float64]:
    cells = compute.call_function("utf8_trim_whitespace", [cells.cast(pyarrow.large_string())])
    try:
        values = compute.cast(cells, pyarrow.float64()).to_numpy(zero_copy_only=False)
    except pyarrow.ArrowInvalid:
        words = compute.SetLookupOptions(pyarrow.array(MISSING_WORDS, pyarrow.large_string()))
        lower = compute.call_function("utf8_lower", [cells])
        missing = compute.call_function("is_in", [lower], words)
        present = compute.call_function("replace_with_mask", [cells, missing, _NOTHING])
        try:
            values = compute.cast(present, pyarrow.float64()).to_numpy(zero_copy_only=False)
        except pyarrow.ArrowInvalid:
            row = next(row for row, cell in enumerate(present) if not _is_number(cell))
            text = present[row].as_py()
            raise InputError(
                f"{piece.place(row, column)}: {text[:40]!r} is text, not a number; fit with "
                f"{option('--one-hot', column)} to encode the column, or leave it out with {option('--drop', column)}"
            ) from None
    _check_whole(piece, column, cells, values)
    return values


def _check_whole(piece: Piece, column: str, cells: pyarrow.Array, values: NDArray[np.float64]) -> None:
    with np.errstate(invalid="ignore"):
        suspects = np.flatnonzero(np.abs(values) >= EXACT)
    for row in suspects.tolist():
        written = str(cells[row].as_py())
        if _WHOLE.fullmatch(written) and len(written) < 400 and abs(int(written)) > EXACT:
            raise InputError(
                f"{piece.place(row, column)}: the whole number {written[:40]} is past 2^53, where neighbours cannot "
                f"be told apart; fit with {option('--drop', column)} if it is an identifier"
            )


def _is_number(cell: pyarrow.Scalar) -> bool:
    try:
        cell.cast(pyarrow.float64())
    except pyarrow.ArrowInvalid:
        return False
    return True


def _name(value: object) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value).strip()
    whole = _WHOLE_AS_FLOAT.fullmatch(text)
    return whole[1] if whole else text
