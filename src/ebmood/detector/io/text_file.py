"""Read the bytes of a text file as UTF-8, whether or not it is compressed, and in which encoding it is written."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

import pyarrow

from ebmood.core.errors import EbmoodError, one_line
from ebmood.detector.io.encoding import FALLBACK_ENCODING, UTF8Reader
from ebmood.detector.io.table_stream import read_errors

GZIP, ZSTANDARD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
"""First bytes of compressed files."""

START_BYTES = 2**16
"""Bytes at the start of a file that are read at once."""


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

    The first bytes beyond ASCII, wherever they are, decide whether the file is UTF-8 or Windows-1252. Bytes of a file
    in UTF-8 that are not UTF-8 are marked; see `ebmood.detector.io.encoding.MARK`.

    Args:
        file: a binary file; plain, or compressed by gzip or Zstandard.
        source: its name, for messages.
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
        content = CountingReader(content, start)
        self._bytes = UTF8Reader(content)
        self._text = None
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            buffered = io.BufferedReader(content, START_BYTES)
            self._text = io.TextIOWrapper(buffered, "utf-16", errors="replace", newline="")

    @property
    def is_fallback(self) -> bool:
        """Whether the file is read as Windows-1252, as far as it is read."""
        return self._bytes.encoding == FALLBACK_ENCODING

    @property
    def has_marks(self) -> bool:
        """Whether bytes are marked so far."""
        return self._bytes.has_marks

    @property
    def bytes_read(self) -> int:
        """Number of bytes of the file that are read so far."""
        return self._raw.bytes_read

    def read(self, size: int) -> bytes:
        """Return the next bytes in UTF-8, about `size` of them, and none at the end of the file.

        Raises:
            EbmoodError: the file is damaged, or its first bytes beyond ASCII are Windows-1252, but most are UTF-8.
        """
        with self._errors():
            data = self._bytes.read(size) if self._text is None else self._text.read(size).encode()
        if not data and self._bytes.is_mostly_utf8:
            raise EbmoodError(
                f"{self._source}: line {self._bytes.fallback_line} is not UTF-8, but most of the other text is; "
                "correct this line"
            )
        return data

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
