"""Read the bytes of a text file as UTF-8, whether or not it is compressed, and in which encoding it is written."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

import pyarrow

from ebmood.core.errors import EbmoodError, one_line
from ebmood.detector.io.csv_dialect import detect_encoding
from ebmood.detector.io.table_stream import read_errors

GZIP, ZSTANDARD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
"""First bytes of compressed files."""

START_BYTES = 2**16
"""Bytes at the start of a file that decide on its encoding."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class CountingReader(io.RawIOBase):
    """Return bytes that were read ahead and then the rest of a file, and count them."""

    def __init__(self, file: _Readable, read_ahead: bytes = b""):
        self._file = file
        self._read_ahead = read_ahead
        self.bytes_read = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer) -> int:  # type: ignore[override]  # any writable buffer; typed only from Python 3.12
        """Read into a buffer, and return the number of bytes."""
        size = len(buffer)
        data = self._read_ahead or self._file.read(
            size
        )  # a file in another encoding may return more than `size`
        data, self._read_ahead = data[:size], data[size:]
        buffer[: len(data)] = data
        self.bytes_read += len(data)
        return len(data)


class TextFile:
    """The content of a text file as UTF-8.

    Args:
        file: a binary file; plain, or compressed by gzip or Zstandard.
        source: its name, for messages.

    Attributes:
        encoding: the encoding of the file.
    """

    def __init__(self, file: BinaryIO, source: str):
        self._raw = CountingReader(file)
        self._source = source
        first = self._raw.read(len(ZSTANDARD)) or b""
        content: _Readable = io.BufferedReader(CountingReader(self._raw, first), START_BYTES)
        if first.startswith(GZIP):
            content = gzip.GzipFile(fileobj=content)  # pyright: ignore[reportArgumentType]  # it is a readable file
        elif first.startswith(ZSTANDARD):
            content = pyarrow.CompressedInputStream(pyarrow.PythonFile(content, mode="r"), "zstd")
        with self._errors():
            start = _read_exactly(content, START_BYTES)
        self.encoding = detect_encoding(start)
        content = CountingReader(content, start)
        self._content = content
        self._text = None
        if self.encoding != "utf-8":
            buffered = io.BufferedReader(content, START_BYTES)
            self._text = io.TextIOWrapper(buffered, self.encoding, errors="replace", newline="")

    @property
    def bytes_read(self) -> int:
        """Number of bytes of the file that are read so far."""
        return self._raw.bytes_read

    def read(self, size: int) -> bytes:
        """Return the next bytes in UTF-8, about `size` of them, and none at the end of the file."""
        with self._errors():
            return self._content.read(size) or b"" if self._text is None else self._text.read(size).encode()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            with read_errors(self._source):
                yield
        except (EOFError, zlib.error, pyarrow.ArrowInvalid, UnicodeError) as error:
            raise EbmoodError(
                f"{self._source}: is truncated or damaged ({one_line(error)}); write or copy it again"
            ) from error


def _read_exactly(file: _Readable, size: int) -> bytes:
    """Return `size` bytes, or fewer at the end of the file."""
    parts, length = [], 0
    while length < size:
        data = file.read(size - length)
        if not data:
            break
        parts.append(data)
        length += len(data)
    return b"".join(parts)
