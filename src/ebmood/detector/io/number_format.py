"""How the numbers of a column are written: decimal point or comma, separators of thousands, and a unit."""

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pyarrow
from numpy.typing import NDArray

from ebmood.core.settings import Settings
from ebmood.detector.io.arrow import compute

CURRENCIES = "$€£¥"
"""Signs that may stand before a number."""

_SIGN, _EXPONENT = "[+-]?", "(?:[eE][+-]?[0-9]+)?"
_SPLIT = re.compile(
    rf"([{CURRENCIES}]?)\s*({_SIGN}[0-9.,' \u00a0\u202f]*[0-9][.,]?{_EXPONENT})\s*(.*)", re.DOTALL
)
_UNIT = re.compile(r"(?:(?:[%‰°′″$€£¥]|[^\W\d_])[^,;]{0,14}|)")
_SEPARATORS = {" ": "[ \u00a0\u202f]", "'": "['\u2019]"}


class NumberFormat(Settings):
    """How the numbers of a column are written.

    Attributes:
        decimal: the character before the fraction.
        thousands: the character between groups of three digits. A space stands for all kinds of spaces.
        unit: text that follows each number, such as `%` or `m3/h`. The number is not converted.
        currency: a sign before each number.

    >>> NumberFormat(thousands=",", unit="kg").parse(pyarrow.array(["1,108.5 kg", "7kg", "7"]))
    (array([1108.5,    7. ,    nan]), array([False, False,  True]))
    """

    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", " ", "'"] = ""
    unit: str = ""
    currency: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether numbers are written as in programs: `1108.5`."""
        return self == PLAIN

    @property
    def pattern(self) -> str:
        """Regular expression of a number, without spaces around it."""
        decimal = re.escape(self.decimal)
        digits = "[0-9]+"
        if self.thousands:
            separator = _SEPARATORS.get(self.thousands, re.escape(self.thousands))
            digits = f"(?:[1-9][0-9]{{0,2}}(?:{separator}[0-9]{{3}})+|[0-9]+)"  # 0,653 has a decimal comma
        exponent = "" if self.thousands else _EXPONENT
        number = f"{_SIGN}(?:{digits}(?:{decimal}[0-9]*)?|{decimal}[0-9]+){exponent}"
        before = f"{re.escape(self.currency)}\\s*" if self.currency else ""
        after = f"\\s*{re.escape(self.unit)}" if self.unit else ""
        return f"^{before}{number}{after}$"

    def parse(self, cells: pyarrow.Array) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return numbers, and which cells are not numbers in this format.

        Args:
            cells: `(N,)` text without spaces around it; null for missing cells.

        Returns:
            `(N,)` float64, NaN for missing cells and for those that are not numbers, and `(N,)` booleans.
        """
        matches = compute.match_substring_regex(cells, self.pattern)
        text = compute.if_else(matches, cells, pyarrow.scalar(None, cells.type))
        for old, new in self._replacements():
            text = compute.replace_substring_regex(text, old, new)
        values = compute.cast(text, pyarrow.float64()).to_numpy(zero_copy_only=False)
        return values, ~compute.fill_null(matches, True).to_numpy(zero_copy_only=False)

    def _replacements(self) -> list[tuple[str, str]]:
        """Return regular expressions and their replacements, which together make a number plain."""
        steps = []
        if self.currency:
            steps.append((f"^{re.escape(self.currency)}\\s*", ""))
        if self.unit:
            steps.append((f"\\s*{re.escape(self.unit)}$", ""))
        if self.thousands:
            steps.append((_SEPARATORS.get(self.thousands, re.escape(self.thousands)), ""))
        if self.decimal != ".":
            steps.append((re.escape(self.decimal), "."))
        return [*steps, (r"^\+", "")]

    def describe(self) -> str:
        """Return in words how the numbers differ from plain ones, for the terminal.

        >>> NumberFormat(decimal=",", unit="%").describe()
        "decimal comma, unit '%'"
        """
        parts = ["decimal comma"] if self.decimal == "," else []
        if self.thousands:
            parts.append(f"thousands separated by {self.thousands!r}")
        parts += [f"unit {text!r}" for text in (self.currency, self.unit) if text]
        return ", ".join(parts)


PLAIN = NumberFormat()

_STYLES = (
    PLAIN,
    NumberFormat(decimal=","),
    NumberFormat(thousands=","),
    NumberFormat(decimal=",", thousands="."),
    *(
        NumberFormat(decimal=decimal, thousands=thousands)
        for thousands in (" ", "'")
        for decimal in (".", ",")
    ),
)
"""Formats without unit, in the order in which they are preferred."""


def split_unit(cell: str) -> tuple[str, str] | None:
    """Return the currency sign and the unit of a cell that starts with a number, and else None.

    >>> split_unit("17.8 m3/h"), split_unit("€ 12"), split_unit("Oslo")
    (('', 'm3/h'), ('€', ''), None)
    """
    parts = _SPLIT.fullmatch(cell)
    if parts is None or not _UNIT.fullmatch(parts[3]):
        return None
    return parts[1], parts[3]


def possible_formats(cells: pyarrow.Array) -> list[NumberFormat]:
    """Return the formats in which all cells are numbers, the most usual one first.

    Args:
        cells: distinct text without spaces around it, without nulls; at least one.
    """
    unit = split_unit(cells[0].as_py())
    if unit is None:
        return []
    return [
        style
        for plain in _STYLES
        if fits(style := plain.model_copy(update={"currency": unit[0], "unit": unit[1]}), cells)
    ]


def fits(style: NumberFormat, cells: pyarrow.Array) -> bool:
    """Return whether all cells are numbers in a format."""
    matches = compute.match_substring_regex(cells, style.pattern)
    return bool(compute.all(matches).as_py())


def choose_format(formats: Sequence[NumberFormat], decimal_comma: bool) -> NumberFormat:
    """Return the format of a column whose cells fit several.

    `1,108` has a decimal comma or a separator of thousands, and `1.108` may have the latter. The other columns decide.

    Args:
        formats: at least one, from `possible_formats`.
        decimal_comma: whether other columns of the table have decimal commas.
    """
    decimal = "," if decimal_comma else "."
    return next((style for style in formats if style.decimal == decimal), formats[0])
