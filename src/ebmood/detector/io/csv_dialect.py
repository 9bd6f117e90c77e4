"""Find out how a CSV file is written: the delimiter between cells, and whether it has a header."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ebmood.core.errors import EbmoodError
from ebmood.core.words import noun
from ebmood.detector.io.header_search import FITTING, MAX_LEAD, find_header, has_width, is_below_header

DELIMITERS = (",", ";", "\t", "|")

SAMPLE_LINES = 30
"""Lines at the start of a file that decide on the delimiter."""

COMMENT = "#"
"""The start of a comment line."""

_SEPARATOR = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_NUMBER = re.compile(r"\s*[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?\s*")


@dataclass(frozen=True)
class TableStart:
    """Where the table in a file starts.

    Attributes:
        line: number of the line of the header, from 0.
        delimiter: the character between cells.
        title: the first line above the header that is text, not a comment; empty if there is none.
        is_comment: whether the header is a comment line, as NumPy writes it.
        rows: the cells of the first rows.
        below: the record directly below the header that belongs to it, such as units; empty if there is none.
    """

    line: int
    delimiter: str
    title: str = ""
    is_comment: bool = False
    rows: Sequence[Sequence[str]] = ()
    below: Sequence[str] = ()


def find_start(text: str) -> TableStart:
    r"""Return where the table starts: below empty lines, comment lines (`#`), `sep=;`, and lines of a title.

    The delimiter is that with which the first lines have the same number of cells, and most of them. A delimiter with
    which quotes end in the middle of a cell is taken only if there is no other.

    >>> find_start("# pump 7\nflow;temp\n17,793;1108,74\n18,55;1038,13\n").delimiter
    ';'

    Args:
        text: the first complete lines of the file.
    """
    lines = list(io.StringIO(text, newline=""))
    first, comment, separator = 0, None, None
    while first < len(lines):
        line = lines[first].strip("\r\n ")
        setting = _SEPARATOR.fullmatch(line)
        if setting:
            separator = setting[1]
        elif line.startswith(COMMENT) and not _is_header(lines, first):
            comment = first
        elif line.strip():
            break
        first += 1
    start = _find_in(lines[first:], separator)
    start = replace(start, line=start.line + first)
    if start.rows and is_below_header(start.rows[0]):
        start = replace(start, below=start.rows[0], rows=start.rows[1:])
    if comment is not None and start.line == first < len(lines):
        names = _cells(lines[comment].lstrip(COMMENT + " "), start.delimiter)
        row = _cells(lines[first], start.delimiter)
        if len(names) == len(row) > 1 and any(map(_is_number, row)) and not any(map(_is_number, names)):
            return replace(start, line=comment, is_comment=True, rows=[row, *start.rows])
    return start


def check_lines_fit(names: Sequence[str], start: TableStart, source: str) -> None:
    """Check that the rows below the header have as many cells as it, or fewer.

    Raises:
        EbmoodError: nearly all rows have the same larger number of cells.
    """
    width, rows = len(names), start.rows
    common = Counter(map(len, rows)).most_common(1)
    cells, count = common[0] if common else (0, 0)
    fitting = sum(has_width(row, width) for row in rows)
    if len(rows) < 2 or cells <= width or count < FITTING * len(rows) or fitting > (1 - FITTING) * len(rows):
        return
    advice = "delete the lines above the header, or add the names that are missing"
    if cells == width + 1:
        advice = "add a name for the column that has none, which may be the first (row names)"
    raise EbmoodError(
        f"{source}: the header, line {start.line + 1}, has {width} {noun(width, 'name')} ({names[0][:40]!r}"
        f"{', ...' * (width > 1)}), but the rows below it have {cells} cells; {advice}"
    )


def check_delimiter(header: str, start: TableStart, source: str) -> None:
    """Check that the cells of a file are not separated by spaces.

    Raises:
        EbmoodError: without a delimiter, all lines have the same number of words, two or more, and numbers among them.
    """
    if any(len(row) > 1 for row in start.rows) or len(start.rows) < 2:
        return
    width = len(header.split())
    words = [row[0].split() for row in start.rows if row]
    is_table = all(len(row) in (width, width + 1) for row in words)  # R writes row names without a name
    if width > 1 and is_table and all(any(map(_is_number, row)) for row in words):
        raise EbmoodError(
            f"{source}: the cells seem to be separated by spaces; write the table with commas or tabs, such as with "
            "pandas.read_csv(FILE, sep=r'\\s+').to_csv(...)"
        )


def _is_header(lines: Sequence[str], number: int) -> bool:
    """Return whether a line that starts with # is a header whose first name starts with #, such as `#chrom`."""
    line, following = lines[number].lstrip(" "), next(filter(str.strip, lines[number + 1 :]), "")
    if line[1:2] == " " or following.startswith(COMMENT):
        return False
    for delimiter in DELIMITERS:
        names = _cells(line, delimiter)
        if len(names) == len(_cells(following, delimiter)) > 1 and not any(map(_is_number, names)):
            return True
    return False


def _find_in(lines: Sequence[str], separator: str | None) -> TableStart:
    """Return where the table starts in lines of which the first is neither empty nor a comment."""
    text = "".join(lines)
    best, best_rank = None, (False, False, False, 1)
    for delimiter in DELIMITERS if separator is None else (separator,):
        records = _records(lines, delimiter)
        header = find_header([cells for _, cells in records])
        rows = [cells for _, cells in records[header:][:SAMPLE_LINES]]
        width = len(rows[0]) if rows else 1
        agree = sum(has_width(row, width) for row in rows)
        rank = (_quotes_fit(text, delimiter), agree == len(rows), header == 0, width)
        if agree >= FITTING * len(rows) and width > 1 and rank > best_rank:
            best, best_rank = (delimiter, records, header), rank
    if best is None:  # no delimiter fits, as in a malformed file; the header decides
        counts = lines[0] if lines else ""
        delimiter = separator or max(DELIMITERS, key=counts.count)
        records = _records(lines, delimiter)
        best = delimiter, records, find_header([cells for _, cells in records])
    delimiter, records, header = best
    title = next((lines[line].strip() for line, _ in records[:header]), "")
    line = records[header][0] if records else 0
    return TableStart(line, delimiter, title, rows=[cells for _, cells in records[header + 1 :]])


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
        f"{len(names)} {noun(len(names), 'name')}, such as {header}{more}"
    )


def _quotes_fit(text: str, delimiter: str) -> bool:
    """Return whether every quoted cell is followed by a delimiter or the end of a line. The last one may be cut."""
    try:
        for _ in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            pass
    except csv.Error as error:
        return "unexpected end of data" in str(error)
    return True


def _records(lines: Sequence[str], delimiter: str) -> list[tuple[int, list[str]]]:
    """Return the first records that are not empty, each with the number of its first line."""
    records, rows, line = [], csv.reader(lines, delimiter=delimiter), 0
    try:
        for row in rows:
            if any(cell.strip() for cell in row) or len(row) > 1:
                records.append((line, row))
            line = rows.line_num
            if len(records) > SAMPLE_LINES + MAX_LEAD:
                break
    except csv.Error:
        return []
    return records


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None
