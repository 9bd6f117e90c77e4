"""Read one array of numbers in chunks: a NumPy file `.npy`, or an array in an `.npz` archive."""

import io
import math
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from ebmood.core.errors import DataWarning, EbmoodError, one_line, warn
from ebmood.detector.io.column_names import array_column_names
from ebmood.detector.io.table_stream import Chunk, TableStream, check_unchanged, file_state, read_errors

CHUNK_CELLS = 2**20
"""Cells that are read at once."""

ARRAY_NAMES = ("X", "x")
"""Names of the array to read from an archive of several arrays."""

SAVE = "numpy.save(FILE, X)"

KINDS = {
    "O": f"Python objects, which are not loaded; write numbers with {SAVE}, or a data frame with to_parquet",
    "c": "complex numbers; write the real and the imaginary parts as columns: numpy.hstack([X.real, X.imag])",
    "U": "text; write a table, such as .parquet or .csv",
    "S": "text; write a table, such as .parquet or .csv",
    "M": "dates or times; write a table, such as .parquet or .csv",
    "m": "durations; write a table, such as .parquet or .csv",
}
"""What an array of each kind that is no table of numbers holds, and what to do."""


@dataclass(frozen=True)
class _Layout:
    """Where the numbers of an array lie in its file.

    Attributes:
        shape: `(N, D)`.
        dtype: type of the numbers.
        by_column: whether each column is in one piece (Fortran order), not each row.
        offset: bytes before the first number.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    by_column: bool
    offset: int

    @property
    def bytes(self) -> int:
        return self.offset + math.prod(self.shape) * self.dtype.itemsize


class ArrayStream(TableStream):
    """A table of numbers in an array `(N, D)`, whose columns are called `x0`, `x1`, ...; one axis is one column.

    Pickled objects are never loaded. The file is read in pieces, not mapped to memory: if a mapped file is truncated,
    the process ends without a message. An array in Fortran order in an archive is held in memory as a whole.

    Args:
        path: an `.npy` file, or an `.npz` archive that holds one array, or an array `X` or `x`.

    Raises:
        EbmoodError: the file cannot be read or is truncated, the array holds no numbers, or has no rows or more than
            two axes.

    Warns:
        DataWarning: the archive has further arrays, which are not read.
    """

    are_numbers = True

    def __init__(self, path: Path):
        self.source = str(path)
        self._path = path
        self._state = file_state(path)
        self._member = self._find_member() if path.suffix.lower() == ".npz" else None
        with self._open() as file:
            self._layout = self._read_layout(file)
        self.names = array_column_names(self._layout.shape[1])

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Yield all rows of some columns; this implements `TableStream.chunks`."""
        rows, width = self._layout.shape
        numbers = {name: number for number, name in enumerate(self.names)}
        selected = [numbers[name] for name in columns]
        size = min(2**16, max(2**8, CHUNK_CELLS // width))
        with self._open() as file:
            source = io.BytesIO(file.read()) if self._member and self._layout.by_column else file
            source.seek(self._layout.offset)
            for start in range(0, rows, size):
                stop = min(start + size, rows)
                values = self._read_columns(source, start, stop, selected)
                batch = pyarrow.RecordBatch.from_arrays([*map(pyarrow.array, values)], names=list(columns))
                self.fraction = stop / rows
                yield Chunk(self.source, start, batch)
        check_unchanged(self._path, self._state)

    def _read_columns(self, file: IO[bytes], start: int, stop: int, columns: Sequence[int]) -> NDArray[Any]:
        """Return some columns of the rows `start` to `stop`, in a type that Arrow has: `(K, stop - start)`."""
        layout, count = self._layout, stop - start
        if layout.by_column:
            values = np.empty((len(columns), count), layout.dtype)
            for k, column in enumerate(columns):
                file.seek(layout.offset + (column * layout.shape[0] + start) * layout.dtype.itemsize)
                values[k] = self._read(file, count)
        else:
            values = self._read(file, count * layout.shape[1]).reshape(count, -1).T
            if list(columns) != list(range(len(values))):
                values = values[list(columns)]
        with np.errstate(over="ignore"):  # a number beyond float64 becomes infinite, which is a bad value
            return np.ascontiguousarray(values, dtype=_arrow_type(layout.dtype))

    def _read(self, file: IO[bytes], count: int) -> NDArray[Any]:
        """Return the next numbers of the file, `(count,)`."""
        data = file.read(count * self._layout.dtype.itemsize)
        if len(data) < count * self._layout.dtype.itemsize:
            raise EbmoodError(f"{self.source}: changed while it was read; wait until it is complete")
        return np.frombuffer(data, self._layout.dtype)

    @contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        """Open the file, or the array in the archive, at its start."""
        with read_errors(self.source):
            try:
                if self._member is None:
                    with open(self._path, "rb") as file:
                        yield file
                else:
                    with zipfile.ZipFile(self._path) as archive, archive.open(self._member) as file:
                        yield file
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
                raise self._unreadable_archive(error) from error

    def _find_member(self) -> str:
        """Return the name of the file in the archive that holds the array."""
        with read_errors(self.source):
            if not self._state[1]:
                raise EbmoodError(
                    f"{self.source}: the file is empty; write the array with numpy.savez(FILE, X=X)"
                )
            try:
                with zipfile.ZipFile(self._path) as archive:
                    members = {name.removesuffix(".npy"): name for name in archive.namelist()}
            except zipfile.BadZipFile as error:
                raise self._unreadable_archive(error) from error
        if {"data", "shape", "format"} <= set(members):
            raise EbmoodError(
                f"{self.source}: holds a sparse matrix; write its rows with numpy.savez(FILE, X=matrix.toarray())"
            )
        name = next((name for name in (*ARRAY_NAMES, *members) if name in members), None)
        if name is None:
            raise EbmoodError(f"{self.source}: holds no array; write one with numpy.savez(FILE, X=X)")
        others = [other for other in members if other != name]
        listed = ", ".join(others[:8]) + (", ..." if len(others) > 8 else "")
        if others and name not in ARRAY_NAMES:
            raise EbmoodError(
                f"{self.source}: holds the arrays {name}, {listed}; call the one to read X, with "
                "numpy.savez(FILE, X=...), or give it as an .npy file"
            )
        if others:
            warn(f"{self.source}: the array {name} is read, and not {listed}", DataWarning)
        return members[name]

    def _unreadable_archive(self, error: Exception) -> EbmoodError:
        return EbmoodError(
            f"{self.source}: not a readable .npz archive, or truncated ({one_line(error)}); write it again with "
            "numpy.savez(FILE, X=X)"
        )

    def _read_layout(self, file: IO[bytes]) -> _Layout:
        """Read the header of the array, and check that its numbers follow."""
        if not self._state[1]:
            raise EbmoodError(f"{self.source}: the file is empty; write the array with {SAVE}")
        try:
            version = npy_format.read_magic(file)
            read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
            shape, by_column, dtype = read(file)
        except ValueError as error:
            raise EbmoodError(
                f"{self.source}: not a readable array of NumPy ({one_line(error)}); write it with {SAVE}"
            ) from error
        if dtype.names:
            raise EbmoodError(
                f"{self.source}: an array with named fields; write it as a table: pandas.DataFrame(X).to_parquet(FILE)"
            )
        if dtype.kind not in "fiub":
            problem = KINDS.get(
                dtype.kind, f"values of type {dtype}; write numbers, such as X.astype('float32')"
            )
            raise EbmoodError(f"{self.source}: the array holds {problem}")
        if len(shape) not in (1, 2):
            advice = "X.reshape(len(X), -1)" if shape else "one row for each item"
            raise EbmoodError(
                f"{self.source}: the array has shape {tuple(shape)}; give rows of numbers, with two axes: {advice}"
            )
        rows, width = shape if len(shape) == 2 else (shape[0], 1)
        if not rows or not width:
            raise EbmoodError(f"{self.source}: the table has no {'columns' if rows else 'rows'}")
        layout = _Layout((rows, width), dtype, by_column and width > 1, file.tell())
        size = self._array_bytes()
        if size != layout.bytes:
            raise EbmoodError(
                f"{self.source}: is {'truncated' if size < layout.bytes else 'too long'}: {size:,} bytes, but an array "
                f"of shape {tuple(shape)} has {layout.bytes:,}; write it again with {SAVE}"
            )
        return layout

    def _array_bytes(self) -> int:
        """Return the length of the array with its header."""
        if self._member is None:
            return self._state[1]
        with zipfile.ZipFile(self._path) as archive:
            return archive.getinfo(self._member).file_size


def _arrow_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a type that holds all numbers of `dtype` and that the readers of cells know, in native byte order."""
    if dtype.kind == "f" and dtype.itemsize not in (4, 8):
        return np.dtype(np.float32 if dtype.itemsize < 4 else np.float64)
    return dtype.newbyteorder("=")
