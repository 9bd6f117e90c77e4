"""Find the formulas of an Excel sheet whose values are not stored.

Spreadsheet programs store the value of each formula beside it. Libraries that write sheets do not compute formulas.
"""

import re
from collections.abc import Iterator
from typing import IO
from xml.etree import ElementTree

BLOCK_BYTES = 2**20
"""Bytes that are searched at once."""

_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
_CELL = re.compile("([A-Z]+)([0-9]+)")


def has_formulas(sheet: IO[bytes]) -> bool:
    """Return whether the XML of a sheet has a formula. This is far quicker than to parse it."""
    end = b""
    while data := sheet.read(BLOCK_BYTES):
        block = end + data
        if _FORMULA.search(block):
            return True
        end = block[-64:]
    return False


def bare_formulas(sheet: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Yield row and column, both from 1, of the formulas without a stored value, row by row.

    A formula whose value is the empty text has one: its cell has the type of text.

    Args:
        sheet: the XML of the sheet.
    """
    number, rows = 0, None
    for event, row in ElementTree.iterparse(sheet, ("start", "end")):
        tag = _tag(row)
        if event == "start":
            rows = row if tag == "sheetData" else rows
            continue
        if tag != "row":
            continue
        number = int(row.get("r") or number + 1)
        column = 0
        for cell in row:
            place = _CELL.fullmatch(cell.get("r") or "")
            column = column_number(place[1]) if place else column + 1
            parts = {_tag(part): part.text for part in cell}
            if "f" in parts and not parts.get("v") and cell.get("t") != "str":
                yield number, column
        if rows is not None:
            rows.clear()  # the memory does not grow with the sheet


def column_number(letters: str) -> int:
    """Return the number of a column, from 1.

    >>> [column_number(letters) for letters in ("A", "Z", "AA", "XFD")]
    [1, 26, 27, 16384]
    """
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number


def column_letters(number: int) -> str:
    """Return the letters of a column.

    >>> [column_letters(number) for number in (1, 26, 27, 16384)]
    ['A', 'Z', 'AA', 'XFD']
    """
    letters = ""
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
