"""Read CSV in chunks, from a file or from standard input.

The file needs a header, commas between columns, and UTF-8. All cells are returned as text: whether a column holds
numbers or categories is not guessed here.
"""

import csv
import io
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow
from pyarrow import csv as arrow_csv

from ebmood.core.errors import EbmoodError, one_line
from ebmood.detector.io.table_stream import (
    Chunk,
    TableStream,
    check_names,
    check_unchanged,
    file_state,
    read_errors,
)

BLOCK_BYTES = 2**20
"""Bytes that are read at once. No row may be longer."""

MAX_HEADER_BYTES = 2**24


class CSVStream(TableStream):
    """A CSV table.

    Args:
        source: name of the table, for messages.
        path: the file; None for standard input.

    Raises:
        EbmoodError: the file cannot be read, is empty, or its header is malformed.
    """

    def __init__(self, source: str, path: Path | None):
        self.source = source
        self.fraction = None if path is None else 0.0
        self._path = path
        self._state = file_state(path) if path else None
        with self._open() as file:
            header, self._read_ahead = _read_header(file, source)
            self._position = len(header) + 1 + len(self._read_ahead)
        self.names = _parse_header(header, source)
        check_names(source, self.names)

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Yield all rows of some columns; this implements `TableStream.chunks`."""
        rows_read = 0
        with self._open() as file:
            if self._path:
                file.seek(self._position)
            stream = _CountingReader(file, self._read_ahead)
            for rows in self._batches(io.BufferedReader(stream, 2**16), columns):
                if rows.num_rows:
                    yield Chunk(self.source, rows_read, rows)
                rows_read += rows.num_rows
                if self._path and self._state:
                    self.fraction = min(1.0, stream.bytes_read / max(1, self._state[1]))
        if self._path:
            check_unchanged(self._path, self._state)
        if not rows_read:
            raise EbmoodError(f"{self.source}: the table has no rows; add rows below the header")

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        with read_errors(self.source):
            if self._path is None:
                yield sys.stdin.buffer
            else:
                with open(self._path, "rb") as file:
                    yield file

    def _batches(self, file: io.BufferedReader, columns: Sequence[str]) -> Iterator[pyarrow.RecordBatch]:
        try:
            reader = arrow_csv.open_csv(
                pyarrow.PythonFile(file, mode="r"),
                # With more than one thread, the parser does not count rows for its messages.
                arrow_csv.ReadOptions(
                    use_threads=False, column_names=list(self.names), block_size=BLOCK_BYTES
                ),
                # In a table with one column, an empty line is a missing value.
                arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=len(self.names) > 1),
                arrow_csv.ConvertOptions(
                    column_types={name: pyarrow.string() for name in self.names},
                    strings_can_be_null=False,
                    include_columns=list(columns),
                ),
            )
            with reader:
                yield from reader
        except pyarrow.ArrowInvalid as error:
            reason = one_line(error)
            if reason != "Empty CSV file":
                raise EbmoodError(f"{self.source}: {_describe(reason)}; correct the file") from error


class _CountingReader(io.RawIOBase):
    """Return bytes that were read ahead and then the rest of a file, and count them."""

    def __init__(self, file: BinaryIO, read_ahead: bytes):
        self._file = file
        self._read_ahead = read_ahead
        self.bytes_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[override]  # any writable buffer; typed only from Python 3.12
        size = len(buffer)
        data = self._read_ahead[:size] if self._read_ahead else self._file.read(size)
        self._read_ahead = self._read_ahead[len(data) :]
        buffer[: len(data)] = data
        self.bytes_read += len(data)
        return len(data)


def _describe(reason: str) -> str:
    """Return an error message of the parser in plain words."""
    ragged = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", reason)
    if ragged:
        return f"row {ragged[1]} has {ragged[3]} cells, the header {ragged[2]}"
    if "straddling" in reason:
        reason = f"a quote that is never closed, or a row of more than {BLOCK_BYTES} bytes"
    return f"not comma-separated values ({reason})"


def _parse_header(header: bytes, source: str) -> tuple[str, ...]:
    try:
        text = header.decode("utf-8-sig")
        names = tuple(next(csv.reader(io.StringIO(text, newline="")), ()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise EbmoodError(
            f"{source}: the header is not CSV in UTF-8 ({one_line(error)}); save the file as UTF-8"
        ) from error
    if not names:
        raise EbmoodError(f"{source}: the first line is empty; it must be a header")
    return names


def _read_header(file: BinaryIO, source: str) -> tuple[bytes, bytes]:
    """Return the first record without its line break, and the bytes that were read after it."""
    content, end = b"", -1
    while True:
        data = file.read(2**16)
        content += data
        end = content.find(b"\n", end + 1)
        while end >= 0 and content.count(b'"', 0, end) % 2:  # a line break inside quotes
            end = content.find(b"\n", end + 1)
        if end >= 0:
            return content[:end], content[end + 1 :]
        if not data:
            if not content.strip():
                raise EbmoodError(f"{source}: the file is empty; it needs a header and rows")
            return content, b""
        if len(content) > MAX_HEADER_BYTES:
            raise EbmoodError(
                f"{source}: there is no header in the first {MAX_HEADER_BYTES} bytes; check that it is CSV"
            )
        end = len(content) - 1
