"""Hold a random sample of the rows of a table that is read in chunks, all rows while they are few."""

from collections.abc import Sequence

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import types

from ebmood.detector.cells.arrow import compute
from ebmood.detector.cells.cell_values import decode, is_text

MAX_ROWS = 2**19
"""Rows that a sample holds at most."""

MIN_LIMIT = 2**17
"""Tables with at most this many rows are read in full, whatever their number of columns."""

MAX_CELLS = 2**24
"""Cells that a sample holds at most, if `MIN_LIMIT` rows have no more."""


def row_limit(columns: int) -> int:
    """Return how many rows of a table with so many columns are held at most."""
    return max(MIN_LIMIT, min(MAX_ROWS, MAX_CELLS // max(columns, 1)))


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
        self._pieces: list[pyarrow.RecordBatch] = []

    def add(self, rows: pyarrow.RecordBatch) -> None:
        """Add the next rows of the table, which have at least the columns of the sample."""
        numbers = np.arange(self.seen, self.seen + rows.num_rows)
        self.seen += rows.num_rows
        self._append(rows.select(self._names), numbers)
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
        cells = combine([piece.column(name) for piece in self._pieces])
        self._pieces = [
            piece.select([other for other in piece.schema.names if other != name]) for piece in self._pieces
        ]
        return cells

    def _append(self, rows: pyarrow.RecordBatch, numbers: NDArray[np.int64]) -> None:
        held = (_keys(numbers) >> (np.uint64(64) - self._shift)) == 0 if self._shift else None
        if held is not None and not held.all():
            rows, numbers = rows.filter(pyarrow.array(held)), numbers[held]
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
    dtypes = {piece.type for piece in pieces if not types.is_null(piece.type)}
    if len(dtypes) > 1:
        is_numeric = all(types.is_integer(dtype) or types.is_floating(dtype) for dtype in dtypes)
        target = pyarrow.float64() if is_numeric else pyarrow.large_string()
    else:
        target = dtypes.pop() if dtypes else pyarrow.null()
    if is_text(target):
        target = pyarrow.large_string()  # a string array holds 2^31 bytes at most
    return pyarrow.concat_arrays([compute.cast(piece, target, safe=False) for piece in pieces])
