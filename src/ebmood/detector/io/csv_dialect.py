"""Find out how a CSV file is written: its encoding, the delimiter between cells, and whether it has a header."""

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ebmood.core.errors import EbmoodError

DELIMITERS = (",", ";", "\t", "|")

SAMPLE_LINES = 30
"""Lines at the start of a file that decide on the delimiter."""

FALLBACK_ENCODING = "cp1252"
"""Encoding of a file that is not UTF-8: Windows-1252, which contains Latin-1."""

_NUMBER = re.compile(r"\s*[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?\s*")


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written.

    Attributes:
        encoding: name of the encoding.
        delimiter: the character between cells.
    """

    encoding: str = "utf-8"
    delimiter: str = ","


def detect_encoding(start: bytes) -> str:
    """Return the encoding of a file from its first bytes: UTF-8, UTF-16 with a byte order mark, or Windows-1252.

    >>> detect_encoding("Köln".encode()), detect_encoding("Köln".encode("latin-1")), detect_encoding(b"")
    ('utf-8', 'cp1252', 'utf-8')
    """
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return FALLBACK_ENCODING
    return "utf-8"


def detect_delimiter(text: str) -> str:
    r"""Return the delimiter with which the first lines have the same number of cells, and most of them.

    A delimiter with which quotes end in the middle of a cell is taken only if there is no other.

    >>> detect_delimiter("flow;temp\n17,793;1108,74\n18,55;1038,13\n")
    ';'

    Args:
        text: the first complete lines of the file.
    """
    best, best_rank = DELIMITERS[0], (False, 1)
    for delimiter in DELIMITERS:
        widths = _widths(text, delimiter)
        agree = sum(width == widths[0] for width in widths)
        rank = (_quotes_fit(text, delimiter), widths[0])
        if agree >= 0.8 * len(widths) and widths[0] > 1 and rank > best_rank:
            best, best_rank = delimiter, rank
    if best_rank[1] == 1:  # no delimiter fits, as in a malformed file; the header decides
        header = text.splitlines()[0] if text else ""
        best = max(DELIMITERS, key=header.count)
    return best


def check_header(names: Sequence[str], source: str, delimiter: str) -> None:
    """Check that the first line of a file holds names, and not the values of a row.

    Numbers in ascending order are names, such as 0, 1, 2, or the wavelengths of a spectrum.

    Raises:
        EbmoodError: all names are numbers.
    """
    if not all(_NUMBER.fullmatch(name) for name in names):
        return
    numbers = [float(name.replace(",", ".")) for name in names]
    if len(numbers) > 1 and all(a < b for a, b in pairwise(numbers)):
        return
    header = delimiter.join(f"x{i + 1}" for i in range(min(len(names), 3)))
    more = delimiter + "..." if len(names) > 3 else ""
    raise EbmoodError(
        f"{source}: the first line holds numbers ({names[0]!r}, ...), not column names; add a first line with "
        f"{len(names)} names, such as {header}{more}"
    )


def _quotes_fit(text: str, delimiter: str) -> bool:
    """Return whether every quoted cell is followed by a delimiter or the end of a line. The last one may be cut."""
    try:
        for _ in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            pass
    except csv.Error as error:
        return "unexpected end of data" in str(error)
    return True


def _widths(text: str, delimiter: str) -> list[int]:
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    except csv.Error:
        rows = []
    return [len(row) for row in rows[:SAMPLE_LINES]] or [1]
