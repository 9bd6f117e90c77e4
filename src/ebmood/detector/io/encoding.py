"""Read bytes as UTF-8 or Windows-1252, whichever they are, block by block."""

import codecs
from typing import Protocol

FALLBACK_ENCODING = "cp1252"
"""Encoding of a file that is not UTF-8: Windows-1252, which contains Latin-1."""

LOOK_AHEAD = 2**20
"""Bytes that decide on the encoding, from the first block that is not UTF-8."""

MARK = "\ufdd0"
"""Stands before each character that was read from a byte that is not UTF-8. Unicode assigns no character to it."""

_ASCII = bytes(range(128))


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes | None: ...


def count_bytes(data: bytes) -> tuple[int, int]:
    """Return how many bytes beyond ASCII belong to sequences of UTF-8, and how many do not.

    >>> count_bytes("Köln, ".encode() + "Fürth".encode("latin-1"))
    (2, 1)
    """
    beyond = len(data.translate(None, _ASCII))
    invalid = len(data) - len(data.decode(errors="ignore").encode()) if beyond else 0
    return beyond - invalid, invalid


class UTF8Reader:
    r"""The bytes of a file in UTF-8 or Windows-1252, as UTF-8.

    The first bytes beyond ASCII decide. Earlier blocks are the same in both encodings. UTF-8 is recognised by its
    sequences of bytes, which text in Windows-1252 does not have by chance: if these are at least half of the bytes
    beyond ASCII, the file is UTF-8, and the other bytes are marked.

    >>> import io
    >>> UTF8Reader(io.BytesIO("site\nKöln\n".encode("cp1252"))).read(100).decode()
    'site\nKöln\n'

    Args:
        file: the file.

    Attributes:
        encoding: the encoding as far as the file is read; None while all bytes are ASCII.
        has_marks: whether bytes are marked with `MARK` so far.
        fallback_line: number of the line, from 1, of the first byte in Windows-1252.
    """

    def __init__(self, file: _Readable):
        self.encoding: str | None = None
        self.has_marks = False
        self.fallback_line = 1
        self._file = file
        self._held = b""
        self._valid = self._invalid = 0

    @property
    def is_mostly_utf8(self) -> bool:
        """Whether a file that is read as Windows-1252 has more bytes of UTF-8 so far."""
        return self.encoding == FALLBACK_ENCODING and self._valid > self._invalid

    def read(self, size: int) -> bytes:
        """Return the next bytes, about `size` of them, and none at the end of the file."""
        data = self._read(size)
        if data.isascii():
            if self.encoding is None:
                self.fallback_line += data.count(b"\n")
            return data
        if self.encoding is None:
            data = self._decide(data)
        if self.encoding == FALLBACK_ENCODING:
            valid, invalid = count_bytes(data)
            self._valid, self._invalid = self._valid + valid, self._invalid + invalid
            return data.decode(FALLBACK_ENCODING, errors="replace").encode()
        try:
            data.decode()
        except UnicodeDecodeError:
            self.has_marks = True
            return data.decode(errors=_HANDLER).encode()
        return data

    def _read(self, size: int) -> bytes:
        """Return the next bytes up to the end of a character."""
        while True:
            block = self._file.read(size)
            if not block:
                data, self._held = self._held, b""
                return data
            data, self._held = _split(self._held + block)
            if data:
                return data

    def _decide(self, data: bytes) -> bytes:
        """Set the encoding from the first bytes beyond ASCII, and return them and the bytes that were read ahead."""
        start = _first_invalid(data)
        if start is None:
            self.encoding = "utf-8"
            return data
        while len(data) < LOOK_AHEAD and (block := self._read(LOOK_AHEAD - len(data))):
            data += block
        valid, invalid = count_bytes(data)
        self.encoding = FALLBACK_ENCODING if invalid > valid else "utf-8"
        self.fallback_line += data.count(b"\n", 0, start)
        return data


def _split(data: bytes) -> tuple[bytes, bytes]:
    """Return bytes up to their last complete character, and the start of a character at their end."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")
    tail = data[-4:]  # a character has four bytes at most
    decoder.decode(tail)
    held = decoder.getstate()[0]
    return data[: len(data) - len(held)], held


def _first_invalid(data: bytes) -> int | None:
    """Return the position of the first byte that is not UTF-8, or None."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Return the characters of Windows-1252 in place of bytes that are not UTF-8, each after a mark."""
    assert isinstance(error, UnicodeDecodeError)
    text = error.object[error.start : error.end].decode(FALLBACK_ENCODING, errors="replace")
    return "".join(MARK + character for character in text), error.end


_HANDLER = "ebmood.mark"
codecs.register_error(_HANDLER, _mark)
