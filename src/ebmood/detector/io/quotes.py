"""Find quotes in CSV that are not closed where they should be.

A reader takes everything up to the next quote, or up to the end of the file, as one cell, so that rows would be lost.
"""

import re

QUOTE = b'"'

ROWS_IN_CELL = 2
"""A quoted cell with so many complete lines that look like rows is reported, as its closing quote may be missing."""


class QuoteScanner:
    r"""Find the quoted cells of CSV, block by block. As in a reader, a quote opens a cell only at its start.

    Args:
        delimiter: the byte between cells.
        columns: number of cells of a row.
        first_line: number of the first line.

    Attributes:
        open_line: number of the line, from 1, of the quote that is open after the blocks so far; None if there is none.
        spanning_line: number of the line of the first quote whose cell contains lines that look like rows; None if
            there is none.

    >>> scanner = QuoteScanner(b",", 2)
    >>> for block in (b'a,b\n1,"x', b'\ny"\n2,5" pipe\n3,"z\n', b"4,w\n"):
    ...     scanner.scan(block)
    >>> scanner.open_line
    5
    """

    def __init__(self, delimiter: bytes, columns: int, first_line: int = 1):
        self.open_line: int | None = None
        self.spanning_line: int | None = None
        self._delimiter, self._columns = delimiter, columns
        self._line = first_line
        self._at_start = True  # the next byte starts a cell
        self._maybe_closed = False  # the last byte so far is a quote inside a cell
        self._cell: list[bytes] = []
        self._opening = re.compile(b"[" + re.escape(delimiter) + b'\\r\n]"')

    def scan(self, block: bytes) -> None:
        """Scan the next bytes."""
        position = 0
        if self._maybe_closed and block:
            self._maybe_closed = False
            if block[:1] == QUOTE:
                position = 1
            else:
                self._close()
        while True:
            if self.open_line is None:
                start = self._next_opening(block, position)
                if start < 0:
                    break
                self.open_line = self._line + block.count(b"\n", 0, start)
                position = start + 1
            end = block.find(QUOTE, position)
            self._cell.append(block[position : end if end >= 0 else len(block)])
            if end < 0:
                break
            if end + 1 == len(block):
                self._maybe_closed = True
                break
            if block[end + 1 : end + 2] == QUOTE:
                position = end + 2
                continue
            self._close()
            position = end + 1
        if block:
            self._at_start = self._opening.match(block[-1:] + QUOTE) is not None
        self._line += block.count(b"\n")

    def finish(self) -> None:
        """Close a cell whose closing quote is the last byte of the file."""
        if self._maybe_closed:
            self._close()

    def _close(self) -> None:
        lines = b"".join(self._cell).split(b"\n")[1:-1]
        if len(lines) >= ROWS_IN_CELL and all(
            line.count(self._delimiter) == self._columns - 1 for line in lines
        ):
            self.spanning_line = self.spanning_line or self.open_line
        self.open_line = None
        self._cell.clear()

    def _next_opening(self, block: bytes, position: int) -> int:
        """Return the position of the next quote at the start of a cell, or -1."""
        if position == 0 and self._at_start and block[:1] == QUOTE:
            return 0
        if block.find(QUOTE, position) < 0:
            return -1
        opening = self._opening.search(block, max(0, position - 1))
        return opening.end() - 1 if opening else -1
