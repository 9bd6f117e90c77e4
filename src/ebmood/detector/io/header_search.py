"""Find the header of a table below a title, as in reports and in files of measuring instruments."""

import re
from collections.abc import Sequence

MAX_LEAD = 30
"""Largest number of records above a header."""

FITTING = 0.8
"""Share of the records below a header that must have as many cells as it."""

_VALUE = re.compile(r"[^A-Za-z]*\d[^A-Za-z]*")
"""A number, a date or a time."""


def find_header(records: Sequence[Sequence[str]]) -> int:
    """Return the number of the record that is the header: 0, or that of a later one if this is certain.

    A later record is the header if all its cells are different names, the records below have as many cells and hold
    numbers, and each record above has fewer cells, or another number of them.

    >>> find_header([["Report 2024"], ["site", "flow"], ["Oslo", "1.5"], ["Bergen", "2"]])
    1
    >>> find_header([["site", "flow"], ["Oslo", "high"], ["Bergen", "2"]])
    0

    Args:
        records: cells of the first records of a file, without empty records.
    """
    for number in range(min(len(records), MAX_LEAD + 1)):
        if _fits(records, number):
            return number
    return 0


_LINE = re.compile(r"[-+=:|_ ]*[-=_]{2}[-+=:|_ ]*")
_UNIT = re.compile(r"\[.*\]|\(.*\)")
_NO_UNIT = re.compile("[-\N{EN DASH}\N{EM DASH}]")
"""The mark of a column without a dimension, in a line of units."""


def is_below_header(row: Sequence[str]) -> bool:
    """Return whether a record below a header belongs to it: a line of dashes, or units in brackets in all filled cells.

    Numbers in brackets are not units, but negative numbers. A single dash marks a column without a dimension.

    >>> [is_below_header(row) for row in (["[s]", "(°C)", "", "-"], ["---+----"], ["[s]", "1"], ["", ""])]
    [True, True, False, False]
    >>> [is_below_header(row) for row in (["(12.5)", "-"], ["-", "-"])]
    [False, False]
    """
    cells = [cell.strip() for cell in row if cell.strip()]
    units = [cell for cell in cells if not _NO_UNIT.fullmatch(cell)]
    are_units = bool(units) and all(map(_UNIT.fullmatch, units)) and not all(map(_VALUE.fullmatch, units))
    return bool(cells) and (are_units or all(map(_LINE.fullmatch, cells)))


def has_width(row: Sequence[str], width: int) -> bool:
    """Return whether a row has `width` cells, or an empty one more, as after a delimiter at the end of each row."""
    return len(row) == width or (len(row) == width + 1 and not row[width].strip())


def unnamed_empty(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the positions of columns without a name and without a value in the first rows.

    >>> unnamed_empty(["a", "", "b", ""], [["1", "x", "2", ""], ["1", "", "2"]])
    [3]
    """
    unnamed = [k for k, name in enumerate(names) if not name.strip()]
    return [k for k in unnamed if not any(row[k].strip() for row in rows if k < len(row))]


def describe_title(source: str, title: str, line: int) -> str:
    """Return the note that a table starts with a title. `line` is the line of the header, from 0."""
    return f"{source}: starts with a title ({title[:40]!r}), which is not read; the header is line {line + 1}"


def describe_below(source: str, cell: str, line: int) -> str:
    """Return the note that a line below the header belongs to it. `line` counts from 1."""
    return f"{source}: line {line} belongs to the header and is not read ({cell[:20]!r}, ...)"


def describe_unnamed(source: str, columns: int) -> str:
    """Return the note that columns without name and values are left out."""
    if columns == 1:
        return f"{source}: one column has neither a name nor values, and is not read"
    return f"{source}: {columns} columns have neither names nor values, and are not read"


def _fits(records: Sequence[Sequence[str]], number: int) -> bool:
    names = [name.strip() for name in records[number] if name.strip()]
    if len(names) < 2 or any(map(_VALUE.fullmatch, names)) or len(set(names)) < len(names):
        return False
    width = len(records[number])
    below = records[number + 1 :]
    rows = [row for row in below if has_width(row, width)]
    if len(rows) < FITTING * len(below):
        return False
    cells = [name.strip() for name in records[number]]
    empty = unnamed_empty(cells, rows)
    if not all(cell or k == 0 or k in empty for k, cell in enumerate(cells)):
        return False
    return number == 0 or (
        any(_VALUE.fullmatch(cell.strip()) for row in rows for cell in row)
        and all(_is_above(lead, records[number], is_single=number == 1) for lead in records[:number])
    )


def _is_above(lead: Sequence[str], header: Sequence[str], is_single: bool) -> bool:
    """Return whether a record cannot be the header itself, because a cell or more of it are missing.

    A single record with one cell less may be a header in which the name of a column is missing.
    """
    cells, names = _without_end(lead), _without_end(header)
    filled = sum(bool(cell.strip()) for cell in cells)
    if is_single and filled >= len(names) - 1 and (filled > 1 or len(lead) == len(header)):
        return len(lead) > len(header)
    return len(cells) < len(names) or len(lead) != len(header)


def _without_end(record: Sequence[str]) -> Sequence[str]:
    """Return a record without empty cells at its end."""
    end = len(record)
    while end and not record[end - 1].strip():
        end -= 1
    return record[:end]
