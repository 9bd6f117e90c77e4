"""Hold a random sample of the rows of a table that is read in chunks, all rows while they are few."""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import types

from ebmood.detector.cells.arrow import compute
from ebmood.detector.cells.cell_values import decode, is_list, is_text
from ebmood.detector.cells.vectors import list_lengths

MAX_ROWS = 2**19
"""Rows that a sample holds at most."""

MIN_LIMIT = 2**17
"""Tables with at most this many rows are read in full, whatever their number of columns."""

MAX_CELLS = 2**24
"""Cells that a sample holds at most, if `MIN_LIMIT` rows have no more."""


def row_limit(columns: int) -> int:
    """Return how many rows of a table with so many columns are held at most."""
    return max(MIN_LIMIT, min(MAX_ROWS, MAX_CELLS // max(columns, 1)))


def cells_per_row(rows: pyarrow.RecordBatch) -> int:
    """Return how many values each row has: one in each column, and all those of the longest list in a column of lists.

    >>> cells_per_row(pyarrow.RecordBatch.from_pydict({"a": [1.0, 2.0], "b": [[1.0], [2.0, 3.0]]}))
    3
    """
    columns = map(decode, rows.columns)
    return sum(max([1, *list_lengths(cells).tolist()]) if is_list(cells.type) else 1 for cells in columns)


class RowSample:
    """A uniform random sample of rows that arrive in chunks, without replacement.

    Each row has a pseudo-random key, which depends on its number only. A row is held while its key is below a
    threshold. Whenever more than `limit` rows are held, the threshold is halved. The sample is therefore the same for
    all sizes of chunks, and holds all rows while they are at most `limit`.

    Args:
        names: names of the columns.
        limit: the largest number of rows.

    Attributes:
        seen: number of all rows so far.
    """

    def __init__(self, names: Sequence[str], limit: int):
        self.seen = 0
        self._names = tuple(names)
        self._limit = limit
        self._shift = np.uint64(0)
        self._numbers: list[NDArray[np.int64]] = []
        self._pieces: list[dict[str, pyarrow.Array]] = []

    def lower_limit(self, limit: int) -> None:
        """Hold at most `limit` rows from now on, if that is less than before."""
        self._limit = min(self._limit, limit)

    def add(self, rows: pyarrow.RecordBatch) -> None:
        """Add the next rows of the table, which have at least the columns of the sample."""
        numbers = np.arange(self.seen, self.seen + rows.num_rows)
        self.seen += rows.num_rows
        self._append({name: rows.column(name) for name in self._names}, numbers)
        while sum(map(len, self._numbers)) > self._limit:
            self._shift += np.uint64(1)
            pieces, held = self._pieces, self._numbers
            self._pieces, self._numbers = [], []
            for piece, numbers in zip(pieces, held, strict=True):
                self._append(piece, numbers)

    def row_numbers(self) -> NDArray[np.int64]:
        """Return the numbers of the rows in the table, `(N,)`, ascending from 0."""
        return np.concatenate([np.empty(0, np.int64), *self._numbers])

    def take_column(self, name: str) -> pyarrow.Array:
        """Return the cells of a column, and delete them from the sample."""
        return combine([piece.pop(name) for piece in self._pieces])

    def _append(self, rows: dict[str, pyarrow.Array], numbers: NDArray[np.int64]) -> None:
        held = (_keys(numbers) >> (np.uint64(64) - self._shift)) == 0 if self._shift else None
        if held is not None and not held.all():
            mask, numbers = pyarrow.array(held), numbers[held]
            rows = {name: cells.filter(mask) for name, cells in rows.items()}
        if len(numbers) or not self._pieces:
            self._pieces.append(rows)
            self._numbers.append(numbers)


def _keys(numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a pseudo-random number of 64 bits for each row number: the outputs of SplitMix64 (Steele et al. 2014)."""
    keys = (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


def combine(pieces: Sequence[pyarrow.Array]) -> pyarrow.Array:
    """Return the pieces of a column as one array. Pieces of different types become text."""
    pieces = [decode(piece) for piece in pieces]
    if any(is_list(piece.type) for piece in pieces):
        pieces = _combine_lists(pieces)
    dtypes = {piece.type for piece in pieces if not types.is_null(piece.type)}
    if len(dtypes) > 1:
        is_numeric = all(types.is_integer(dtype) or types.is_floating(dtype) for dtype in dtypes)
        target = pyarrow.float64() if is_numeric else pyarrow.large_string()
    else:
        target = dtypes.pop() if dtypes else pyarrow.null()
    if is_text(target):
        target = pyarrow.large_string()  # a string array holds 2^31 bytes at most
    return pyarrow.concat_arrays([compute.cast(piece, target, safe=False) for piece in pieces])


def _combine_lists(pieces: Sequence[pyarrow.Array]) -> list[pyarrow.Array]:
    """Return the pieces of a column, of which some hold lists, with one type, or null for pieces without values."""
    pieces = [
        pyarrow.nulls(len(piece)) if piece.null_count == len(piece) and not is_list(piece.type) else piece
        for piece in pieces
    ]
    present = [piece.type for piece in pieces if not types.is_null(piece.type)]
    if not all(map(is_list, present)):
        return [_to_json(piece) if is_list(piece.type) else piece for piece in pieces]
    items = {dtype.value_type for dtype in present if not types.is_null(dtype.value_type)} or {pyarrow.null()}
    if len(items) > 1:
        if not all(types.is_integer(item) or types.is_floating(item) for item in items):
            return [_to_json(piece) if is_list(piece.type) else piece for piece in pieces]
        items = {pyarrow.float64()}
    target = pyarrow.large_list(items.pop())  # a list array holds 2^31 numbers at most
    return [compute.cast(piece, target, safe=False) for piece in pieces]


def _to_json(lists: pyarrow.Array) -> pyarrow.Array:
    texts = [None if cell is None else json.dumps(cell, default=str) for cell in lists.to_pylist()]
    return pyarrow.array(texts, pyarrow.large_string())
