"""Read cells that hold lists of numbers, such as embeddings."""

import json
from collections.abc import Collection

import numpy as np
import pyarrow
from numpy.typing import NDArray

from ebmood.detector.cells.arrow import compute
from ebmood.detector.cells.cell_values import (
    Cells,
    all_odd,
    clean_text,
    decode,
    is_list,
    is_text,
    read_numbers,
)


def read_vectors(
    cells: pyarrow.Array, length: int, missing: Collection[str] = ()
) -> Cells[NDArray[np.float64]]:
    """Return a column of lists of numbers as float64 `(N, length)`.

    A missing list, and a missing number in a list, are NaN. A cell is odd if it is not a list of `length` numbers, or
    if one of its numbers is odd; see `read_numbers`.

    >>> read_vectors(pyarrow.array([[1, 2], None, [3]]), 2)
    Cells(values=array([[ 1.,  2.],
           [nan, nan],
           [nan, nan]]), errors={2: 'a list of 1 number, but those of the training rows have 2'})

    Args:
        cells: `(N,)` lists, or their JSON as text.
        length: numbers of each list.
        missing: further words for missing values, in lower case.
    """
    cells = decode(cells)
    if is_text(cells.type):
        return _parse(cells, length, missing)
    values = np.full((len(cells), length), np.nan)
    if not is_list(cells.type):
        return Cells(values, all_odd(cells, f"a {cells.type}, not a list of numbers"))
    lengths = list_lengths(cells)
    errors = {
        row: _describe_length(lengths[row], length) for row in np.flatnonzero(lengths != length).tolist()
    }
    errors = {row: problem for row, problem in errors.items() if lengths[row] >= 0}
    complete = lengths == length
    if not complete.any():
        return Cells(values, errors)
    lists = cells if complete.all() else cells.filter(pyarrow.array(complete))
    numbers = read_numbers(compute.list_flatten(lists), missing=missing)
    rows = np.flatnonzero(complete)
    values[rows] = numbers.values.reshape(-1, length)
    for position, problem in sorted(numbers.errors.items()):
        row = int(rows[position // length])
        errors.setdefault(row, f"at [{position % length}], {problem}")
    return Cells(values, dict(sorted(errors.items())))


def list_lengths(cells: pyarrow.Array) -> NDArray[np.int64]:
    """Return the lengths of lists, `(N,)`, with -1 for missing ones."""
    lengths = compute.list_value_length(cells)
    return np.asarray(compute.fill_null(lengths.cast(pyarrow.int64()), -1))


def _describe_length(found: int, expected: int) -> str:
    plural = "" if found == 1 else "s"
    return f"a list of {found} number{plural}, but those of the training rows have {expected}"


def _parse(cells: pyarrow.Array, length: int, missing: Collection[str]) -> Cells[NDArray[np.float64]]:
    """Return text as lists. A file has such text if other cells of the column are no lists."""
    values, errors = np.full((len(cells), length), np.nan), {}
    for row, text in enumerate(clean_text(cells, missing).to_pylist()):
        if text is None:
            continue
        try:
            numbers = pyarrow.array([json.loads(text)])
        except (pyarrow.ArrowException, OverflowError, RecursionError, TypeError, ValueError):
            numbers = None
        if numbers is None or not is_list(numbers.type):
            errors[row] = f"{text[:40]!r} is not a list of numbers"
            continue
        read = read_vectors(numbers, length, missing)
        values[row] = read.values[0]
        if read.errors:
            errors[row] = read.errors[0]
    return Cells(values, errors)
