"""Tables in pieces, so that a table larger than memory can be read: CSV, Parquet, folders of Parquet, standard input.

CSV comes with a header, separated by commas, in UTF-8, and all its cells stay text: what they should be is not for
the reader to guess. Rows are counted from 1 in each file, headers not counted.
"""

import csv as plain_csv
import io
import os
import re
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow
from pyarrow import csv, parquet

from ebmood.core.errors import EbmoodError, one_line

STANDARD = "-"
"""How standard input and output are named."""

BLOCK = 2**20
"""Bytes of CSV read at once; no row may be longer."""

CELLS = 2**18
"""Cells of Parquet read at once."""

BUFFER = 2**16
"""Bytes of a column of Parquet read ahead."""

LONGEST_HEADER = 2**24


@dataclass(frozen=True)
class Piece:
    """Some rows of a table.

    Attributes:
        where: the file, for messages.
        before: how many rows of that file came in earlier pieces.
        rows: the columns that were asked for.
    """

    where: str
    before: int
    rows: pyarrow.RecordBatch

    def place(self, row: int, column: str) -> str:
        """How to name a cell in an error; `row` counts from 0 in this piece."""
        return f"{self.where}: row {self.before + row + 1}, column {column!r}"


class TableStream(ABC):
    """A table that is read once, from its first row to its last.

    Attributes:
        where: the file or folder, for messages.
        names: of the columns, each once.
        share: how much was read so far, 0 to 1; None where nobody knows.
    """

    where: str
    names: tuple[str, ...]
    share: float | None = 0.0

    @abstractmethod
    def pieces(self, columns: Sequence[str]) -> Iterator[Piece]:
        """All rows of some columns, in order.

        Raises:
            EbmoodError: the table is ragged, truncated, without rows, or changes or vanishes while it is read; the
                message names the file and, where it is known, the row.
        """


def open_table(name: Path | str) -> TableStream:
    """Open a table and read its header.

    Args:
        name: a `.csv` or `.parquet` file, a folder of Parquet files (taken by name, also from folders in it), or `-`
            for CSV from standard input.

    Raises:
        EbmoodError: no such file, one of another kind, an empty one, or a column name stands twice.
    """
    if str(name) == STANDARD:
        return _CSV("standard input", None)
    path = Path(name).expanduser()
    with _readable(path):
        if path.is_dir():
            return _Parquet(path, parquet_files(path))
        if not path.exists():
            raise EbmoodError(f"{path}: no such file; check the path (relative paths start at {Path.cwd()})")
        if path.suffix.lower() == ".parquet":
            return _Parquet(path, [path])
        if path.suffix.lower() == ".csv":
            return _CSV(str(path), path)
    raise EbmoodError(
        f"{path}: not a table that can be read; give .csv, .parquet, a folder of .parquet, or -"
    )


class _CSV(TableStream):
    def __init__(self, where: str, path: Path | None):
        self.where = where
        self.share = None if path is None else 0.0
        self._path = path
        self._stamp = _stamp(path) if path else None
        with self._file() as file:
            header, self._ahead = _header(file, where)
            self._place = len(header) + 1 + len(self._ahead)
        try:
            text = header.decode("utf-8-sig")
            self.names = tuple(next(plain_csv.reader(io.StringIO(text, newline="")), ()))
        except (UnicodeDecodeError, plain_csv.Error) as error:
            raise EbmoodError(
                f"{where}: its header is no CSV in UTF-8 ({one_line(error)}); save it as UTF-8"
            ) from error
        if not self.names:
            raise EbmoodError(f"{where}: its first line is empty; it needs a header there")
        _check_names(where, self.names)

    def pieces(self, columns: Sequence[str]) -> Iterator[Piece]:
        """See `TableStream`."""
        read = 0
        with self._file() as file:
            if self._path:
                file.seek(self._place)
            source = _Bytes(file, self._ahead)
            for rows in self._batches(io.BufferedReader(source, 2**16), columns):
                if rows.num_rows:
                    yield Piece(self.where, read, rows)
                read += rows.num_rows
                if self._path and self._stamp:
                    self.share = min(1.0, source.count / max(1, self._stamp[1]))
        if self._path:
            _check_unchanged(self._path, self._stamp)
        if not read:
            raise EbmoodError(f"{self.where}: the table has no rows; it needs some below its header")

    @contextmanager
    def _file(self) -> Iterator[BinaryIO]:
        with _readable(self.where):
            if self._path is None:
                yield sys.stdin.buffer
            else:
                with open(self._path, "rb") as file:
                    yield file

    def _batches(self, source: io.BufferedReader, columns: Sequence[str]) -> Iterator[pyarrow.RecordBatch]:
        try:
            reader = csv.open_csv(
                pyarrow.PythonFile(source, mode="r"),
                # The parser counts rows, for its messages, with one thread only.
                csv.ReadOptions(use_threads=False, column_names=list(self.names), block_size=BLOCK),
                # An empty line is a missing value where there is one column, and nothing where there are more.
                csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=len(self.names) > 1),
                csv.ConvertOptions(
                    column_types={name: pyarrow.string() for name in self.names},
                    strings_can_be_null=False,
                    include_columns=list(columns),
                ),
            )
            with reader:
                yield from reader
        except pyarrow.ArrowInvalid as error:
            reason = one_line(error)
            if reason == "Empty CSV file":
                return
            if "straddling" in reason:
                reason = f"a quote that is never closed, or a row of more than {BLOCK} bytes"
            ragged = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", reason)
            if ragged:
                raise EbmoodError(
                    f"{self.where}: row {ragged[1]} has {ragged[3]} cells, the header {ragged[2]}; mend the file"
                ) from error
            raise EbmoodError(
                f"{self.where}: not comma-separated values ({reason}); mend the file"
            ) from error


class _Parquet(TableStream):
    def __init__(self, path: Path, files: list[Path]):
        self.where = str(path)
        self._files = files
        self._stamps = [_stamp(file) for file in files]
        with opened(files[0]) as file:
            self.names = _parquet_names(files[0], file)

    def pieces(self, columns: Sequence[str]) -> Iterator[Piece]:
        """See `TableStream`."""
        total = sum(stamp[1] for stamp in self._stamps)
        done = read = 0
        for path, stamp in zip(self._files, self._stamps, strict=True):
            with opened(path) as file:
                self._check_same_columns(path, _parquet_names(path, file))
                before, rows = 0, max(1, file.metadata.num_rows)
                size = min(2**16, max(2**8, CELLS // max(1, len(columns))))
                for batch in _batches(file, size, list(columns)):
                    if batch.num_rows:
                        yield Piece(str(path), before, batch.select(columns))
                    before += batch.num_rows
                    self.share = (done + stamp[1] * before / rows) / max(1, total)
                _check_unchanged(path, stamp)
            done += stamp[1]
            read += before
        if not read:
            raise EbmoodError(f"{self.where}: the table has no rows")

    def _check_same_columns(self, path: Path, names: tuple[str, ...]) -> None:
        odd = sorted(set(names) ^ set(self.names))
        if odd:
            raise EbmoodError(
                f"{path}: column {odd[0]!r} is in one of {self._files[0].name} and {path.name} alone; "
                "all files of a folder must have the same columns"
            )


def _batches(file: parquet.ParquetFile, size: int, columns: list[str]) -> Iterator[pyarrow.RecordBatch]:
    """All rows, one row group after another: asked for all at once, pyarrow would keep what it has read of each."""
    for group in range(file.num_row_groups):
        yield from file.iter_batches(batch_size=size, row_groups=[group], columns=columns)


class _Bytes(io.RawIOBase):
    """What was read ahead, then the rest of a file; counted."""

    def __init__(self, file: BinaryIO, ahead: bytes):
        self._file = file
        self._ahead = ahead
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[override]  # a buffer is any writable memory; 3.12 can say so
        piece = self._ahead[: len(buffer)] if self._ahead else self._file.read(len(buffer))
        self._ahead = self._ahead[len(piece) :]
        buffer[: len(piece)] = piece
        self.count += len(piece)
        return len(piece)


def _header(file: BinaryIO, where: str) -> tuple[bytes, bytes]:
    """The first record, and what was read behind it."""
    ahead, end = b"", -1
    while True:
        piece = file.read(2**16)
        ahead += piece
        end = ahead.find(b"\n", end + 1)
        while end >= 0 and ahead.count(b'"', 0, end) % 2:  # a line break inside quotes
            end = ahead.find(b"\n", end + 1)
        if end >= 0:
            return ahead[:end], ahead[end + 1 :]
        if not piece:
            if not ahead.strip():
                raise EbmoodError(f"{where}: the file is empty; it needs a header and rows")
            return ahead, b""
        if len(ahead) > LONGEST_HEADER:
            raise EbmoodError(f"{where}: no header ends in its first {LONGEST_HEADER} bytes; is it CSV?")
        end = len(ahead) - 1


def parquet_files(folder: Path) -> list[Path]:
    """The `.parquet` files of a folder and of those in it, by name.

    Raises:
        EbmoodError: there are none.
    """
    files = [
        path
        for path in sorted(folder.rglob("*.parquet"))
        # as Spark and Hive name what is no part of the table
        if path.is_file() and not any(part[0] in "._" for part in path.relative_to(folder).parts)
    ]
    if not files:
        raise EbmoodError(f"{folder}: a folder without .parquet files; name a table")
    return files


def _parquet_names(path: Path, file: parquet.ParquetFile) -> tuple[str, ...]:
    """Without the index that pandas writes beside the columns."""
    names = tuple(name for name in file.schema_arrow.names if not name.startswith("__index_level_"))
    _check_names(str(path), names)
    return names


def _check_names(where: str, names: Sequence[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise EbmoodError(f"{where}: the column name {repeated[0]!r} stands twice; rename one of the columns")
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        raise EbmoodError(f"{where}: one column, {names[0][:60]!r}; separate columns by commas")


@contextmanager
def opened(path: Path) -> Iterator[parquet.ParquetFile]:
    """A Parquet file to read from.

    Raises:
        EbmoodError: it is none, or cannot be read.
    """
    with _readable(path):
        if path.stat().st_size == 0:
            raise EbmoodError(f"{path}: the file is empty; it needs columns and rows")
        try:
            # By default whole row groups are fetched, and there may be one alone.
            with parquet.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
                yield file
        except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as error:
            raise EbmoodError(f"{path}: not a Parquet file that can be read ({one_line(error)})") from error


@contextmanager
def _readable(where: Path | str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise EbmoodError(f"{where}: cannot be read ({reason}); check that it is there, whole") from error


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes when a file does: identity, size, time."""
    with _readable(path):
        stat = os.stat(path)
        return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _check_unchanged(path: Path, stamp: tuple[int, int, int] | None) -> None:
    if not path.exists():
        raise EbmoodError(f"{path}: vanished while it was read; nothing is kept of it")
    if _stamp(path) != stamp:
        raise EbmoodError(f"{path}: changed while it was read; wait until it is whole, then run again")
