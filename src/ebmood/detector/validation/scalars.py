"""Convert Python objects to float64 one by one. The error message names the first invalid one."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ebmood.core.errors import InputError, one_line
from ebmood.detector.cells.categories import is_missing
from ebmood.detector.cells.cell_values import MAX_INTEGER

CONVERT_HINT = "leave the column out or convert it to numbers"

ARRAYS_HINT = "give them as an array, np.stack(list(X[column])), or leave the column out"
"""For a column whose cells are rows of numbers, such as embeddings."""

CORRECT_HINT = (
    "correct the cell, make it NaN if it is missing, or make all cells text for a column of categories"
)


def parse_cells(cells: Iterable[Any], column: str) -> NDArray[np.float64]:
    """Return the cells of a column as float64 `(N,)`; NaN for missing ones.

    Args:
        cells: Python objects.
        column: description of the column, for messages.

    Raises:
        InputError: a cell is not a number, or a whole number that float64 cannot represent.
    """
    return np.array(
        [_parse_cell(cell, f"X: row {row}, {column}") for row, cell in enumerate(cells)], np.float64
    )


def _parse_cell(cell: Any, place: str) -> float:
    if isinstance(cell, (str, bytes)):
        raise InputError(f"{place}: text {_shorten(cell)} in a column of numbers; {CORRECT_HINT}")
    if is_missing(cell):
        return np.nan
    if isinstance(cell, Sequence) or (isinstance(cell, np.ndarray | Tensor) and cell.ndim):
        raise InputError(f"{place}: {len(cell)} values in one cell; {ARRAYS_HINT}")
    try:
        value = float(cell)
    except OverflowError as error:
        raise InputError(f"{place}: a whole number larger than 2^53; {CONVERT_HINT} below that") from error
    except (TypeError, ValueError) as error:
        raise InputError(f"{place}: {one_line(error)}; {CONVERT_HINT}") from error
    if isinstance(cell, (int, np.integer)) and abs(int(cell)) > MAX_INTEGER:
        raise InputError(
            f"{place}: the whole number {_shorten(cell)} is larger than 2^53, where float64 does not represent every "
            "whole number; leave the column out if it is an identifier, or convert it to float"
        )
    return value


def describe_empty(shape: Sequence[int]) -> str:
    """Return scikit-learn's message for an array `shape` without rows or without columns."""
    if not shape[0]:
        return f"X: found 0 sample(s) (shape={tuple(shape)}) while a minimum of 1 is required"
    return f"X: found array with 0 feature(s) (shape={tuple(shape)}) while a minimum of 1 is required."


def _shorten(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print whole numbers with thousands of digits
        return "with thousands of digits"
    return text if len(text) <= 40 else text[:37] + "..."
