"""How the numbers of a column are written: decimal point or comma, separators of thousands, and a unit."""

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pyarrow
from numpy.typing import NDArray

from ebmood.core.settings import Settings
from ebmood.detector.cells.arrow import compute

CURRENCIES = (
    *(r"(?:US|CA|AU|NZ|HK|[ACRS])?\$", "[€£¥₹₩₽₺₴₪฿₫%]", r"kr\.?", r"Rs\.?", r"Fr\.?", "zł", "Kč"),
    "(?:USD|EUR|GBP|JPY|CHF|CNY|INR|SEK|NOK|DKK|PLN|CZK|HUF|RUB|TRY|BRL|MXN|AUD|CAD|NZD|ZAR|KRW|SGD|HKD)",
)
"""Regular expressions of signs that may stand before a number."""

_SPACE = "[\\s\u00a0\u2009\u202f]*"
_SIGN, _EXPONENT = "[+-]?", "(?:[eE][+-]?[0-9]+)?"
_SPLIT = re.compile(
    rf"\(?{_SIGN}\s*({'|'.join(CURRENCIES)}|)\s*\(?({_SIGN}[0-9.,' \u00a0\u202f]*[0-9][.,]?{_EXPONENT})\s*-?(.*)",
    re.DOTALL,
)
_ACCOUNTING = re.compile(r"^\W*\(|-$|-\s*\D*$")
_UNIT = re.compile(r"(?:(?:[%‰°′″$€£¥]|[^\W\d_])[^,;()]{0,14}|)")
_SEPARATORS = {" ": "[ \u00a0\u2009\u202f]", "'": "['\u2019]"}

_MULTIPLES = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
_BYTES = {
    **{f"{letter}B": 1000.0**power for power, letter in enumerate(("[kK]", "M", "G", "T", "P"), 1)},
    **{f"{letter}iB": 1024.0**power for power, letter in enumerate(("[kK]", "M", "G", "T", "P"), 1)},
    "B": 1.0,
}
_END = re.compile(r"\d\s*°?\s*([A-Za-z]*)[)\s-]*$")
_COMPASS = {
    f"(?:°{_SPACE})?{letter}": sign for letter, sign in {"N": 1.0, "E": 1.0, "S": -1.0, "W": -1.0}.items()
}
_DIRECTION = re.compile(rf"°{_SPACE}[NSEW]$")
"""The end of a coordinate such as `16.4° S`. Its letter is not a unit, as other cells may have the opposite one."""

_LEDGER = {"(?i:cr)": 1.0, "(?i:dr)": -1.0, "H": 1.0, "S": -1.0}
_SCALES = {
    "": {},
    "multiples": _MULTIPLES,
    "bytes": _BYTES,
    "compass": _COMPASS,
    "ledger": _LEDGER,
}
"""For each kind of scale, regular expressions of the ends of cells, and by what they multiply."""


_SCALE_NAMES = {
    "multiples": "k, M and B multiply",
    "bytes": "in bytes",
    "compass": "S and W below zero",
    "ledger": "debits below zero",
}


class NumberFormat(Settings):
    """How the numbers of a column are written.

    Attributes:
        decimal: the character before the fraction.
        thousands: the character between groups of three digits. A space means any kind of space.
        unit: text that follows each number, such as `%` or `m3/h`. The number is not converted.
        currency: a sign before each number.
        scale: kind of the letters behind numbers that multiply them: `multiples` for `1.5k` and `2M`, `bytes` for
            `900 kB` and `1.5 GiB`, `compass` for `48.2N` and `16.4° S`, `ledger` for credits and debits: `12.50 Cr` and
            `3 Dr`, or in German `12,50 H` and `3 S`. Such a format has no unit.

    Negative numbers may be written as in accounting: `(12.50)`, `12.50-`, `-$12.50`.

    >>> NumberFormat(thousands=",", unit="kg").parse(pyarrow.array(["1,108.5 kg", "7kg", "7"]))
    (array([1108.5,    7. ,    nan]), array([False, False,  True]))
    >>> NumberFormat(thousands=",", currency="$").parse(pyarrow.array(["($1,108.50)", "-$7", "$ 7-", "$7"]))[0]
    array([-1108.5,    -7. ,    -7. ,     7. ])
    >>> NumberFormat(scale="multiples").parse(pyarrow.array(["1.5k", "2M", "7"]))[0]
    array([1.5e+03, 2.0e+06, 7.0e+00])
    """

    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", " ", "'"] = ""
    unit: str = ""
    currency: str = ""
    scale: Literal["", "multiples", "bytes", "compass", "ledger"] = ""

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
            separator = self._separator
            groups = f"[1-9][0-9]{{0,2}}(?:{separator}[0-9]{{3}})+"  # 0,653 has a decimal comma
            if self.thousands == ",":  # 12,34,567 in India
                groups += f"|[1-9][0-9]?(?:{separator}[0-9]{{2}})+{separator}[0-9]{{3}}"
            digits = f"(?:{groups}|[0-9]+)"
        exponent = "" if self.thousands else _EXPONENT
        number = f"(?:{digits}(?:{decimal}[0-9]*)?|{decimal}[0-9]+){exponent}"
        before = f"{re.escape(self.currency)}{_SPACE}" if self.currency else ""
        after = f"{_SPACE}{re.escape(self.unit)}" if self.unit else ""
        if self.scale:
            after = f"{_SPACE}(?:{'|'.join(_SCALES[self.scale])}|)"
        forms = [
            f"{before}{_SIGN}{number}{after}",
            f"\\({_SPACE}{before}{number}{after}{_SPACE}\\)",
            f"{before}{number}{_SPACE}-{after}",
        ]
        if before:
            forms += [
                f"{_SIGN}{_SPACE}{before}{number}{after}",
                f"{before}\\({_SPACE}{number}{_SPACE}\\){after}",
                f"{before}-",  # zero
            ]
        if after:
            forms += [f"{before}{number}{after}{_SPACE}-", f"\\({_SPACE}{number}{_SPACE}\\){after}"]
        return f"^(?:{'|'.join(forms)})$"

    def fits(self, cells: pyarrow.Array) -> bool:
        """Return whether all cells are numbers in this format. The cells are those of `parse`, without nulls."""
        return bool(compute.all(compute.match_substring_regex(cells, self.pattern)).as_py())

    def parse(self, cells: pyarrow.Array) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return numbers, and which cells are not numbers in this format.

        Args:
            cells: `(N,)` text without spaces around it; null for missing cells.

        Returns:
            `(N,)` float64, NaN for missing cells and for those that are not numbers, and `(N,)` booleans.
        """
        matches = compute.match_substring_regex(cells, self.pattern)
        text = compute.if_else(matches, cells, None)
        factors = np.ones(len(cells))
        for end, factor in _SCALES[self.scale].items():
            is_scaled = compute.match_substring_regex(text, f"[^A-Za-z]{end}[^A-Za-z]*$")
            factors[np.asarray(compute.fill_null(is_scaled, False))] = factor
        for old, new in self._replacements():
            text = compute.replace_substring_regex(text, old, new)
        values = np.asarray(compute.cast(text, pyarrow.float64()))
        return values * factors, ~np.asarray(compute.fill_null(matches, True))

    def parse_grouped(self, cells: pyarrow.Array) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return numbers with separators of thousands, and which cells are none, for a format without such separators.

        A column of numbers below 1000 does not show the separator. A cell is read only if its separators cannot be
        decimal signs: `1.234,5` and `1.234.567`, but not `1.234`.

        >>> NumberFormat(decimal=",").parse_grouped(pyarrow.array(["1.234,5", "1 234", "1.234", "1,234"]))
        (array([1234.5, 1234. ,    nan,    nan]), array([False, False,  True,  True]))

        Args:
            cells: as in `parse`.

        Returns:
            As `parse`.
        """
        values = np.full(len(cells), np.nan)
        odd = np.asarray(cells.is_valid())
        if self.thousands or self.scale:
            return values, odd
        for grouped in _FORMATS:
            if not grouped.thousands or grouped.decimal != self.decimal:
                continue
            pattern = f"[0-9]{grouped._separator}[0-9]{{2,3}}"
            if grouped.thousands in ".,":
                pattern += f"(?:{grouped._separator}|{re.escape(self.decimal)})"
            certain = compute.if_else(compute.match_substring_regex(cells, pattern), cells, None)
            with_unit = grouped.model_copy(update={"unit": self.unit, "currency": self.currency})
            found, _ = with_unit.parse(certain)
            values = np.where(np.isnan(found), values, found)
            odd &= np.isnan(found)
        return values, odd

    @property
    def _separator(self) -> str:
        """Regular expression of the character between groups of three digits."""
        return _SEPARATORS.get(self.thousands, re.escape(self.thousands))

    def _replacements(self) -> list[tuple[str, str]]:
        """Return regular expressions and their replacements, which together make a number plain."""
        steps = []
        if self.currency:
            steps.append((re.escape(self.currency), ""))
        for end in (re.escape(self.unit), *_SCALES[self.scale]):
            if end:
                steps.append((f"{_SPACE}{end}([\\s)-]*)$", "\\1"))
        steps += [
            (r"^(.*)\((.*)\)", "-\\1\\2"),
            (r"^(.*[0-9.,].*)-$", "-\\1"),
            (_SPACE.removesuffix("*"), ""),
        ]
        if self.currency:
            steps.append(("^-$", "0"))
        if self.thousands:
            steps.append((self._separator, ""))
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
        if self.scale:
            parts.append(_SCALE_NAMES[self.scale])
        return ", ".join(parts)


PLAIN = NumberFormat()

_FORMATS = (
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
    if parts is None:
        return None
    unit = parts[3].strip(" )-\u00a0\u202f") if _ACCOUNTING.search(cell) else parts[3]
    return (parts[1], unit) if _UNIT.fullmatch(unit) else None


def possible_number_formats(cells: pyarrow.Array) -> list[NumberFormat]:
    """Return the formats in which all cells are numbers, the most usual one first.

    Args:
        cells: distinct text without spaces around it, without nulls; at least one.
    """
    first = next((text for cell in cells[:50] if any(map(str.isdigit, text := cell.as_py()))), "")
    unit, formats = split_unit(first), []
    if unit is not None and not _DIRECTION.match(unit[1]):
        formats = [plain.model_copy(update={"currency": unit[0], "unit": unit[1]}) for plain in _FORMATS]
    return [candidate for candidate in formats if candidate.fits(cells)] or _scaled_formats(cells)


def _scaled_formats(cells: pyarrow.Array) -> list[NumberFormat]:
    """Return the formats with a scale. Letters multiply if several occur, one of them k. A single letter is a unit."""
    ends = {match[1] for cell in cells.to_pylist() if (match := _END.search(cell))}
    formats = (PLAIN, NumberFormat(decimal=","))
    if {"k", "K"} & ends and len(ends) > 1:
        scale = "multiples"
    elif any(end.endswith("B") and len(end) > 1 for end in ends):
        scale = "bytes"
    elif (ends <= {"N", "S"} or ends <= {"E", "W"}) and (
        len(ends) == 2 or all(map(_DIRECTION.search, cells.to_pylist()))
    ):
        scale = "compass"
    elif {end.upper() for end in ends} == {"CR", "DR"} or ends == {"H", "S"}:
        scale, formats = "ledger", _FORMATS
    else:
        return []
    scaled = [plain.model_copy(update={"scale": scale}) for plain in formats]
    return [candidate for candidate in scaled if candidate.fits(cells)]


def choose_format(formats: Sequence[NumberFormat], decimal_comma: bool) -> NumberFormat:
    """Return the format of a column whose cells fit several.

    `1,108` has a decimal comma or a separator of thousands, and `1.108` may have the latter. The other columns decide.

    Args:
        formats: at least one, from `possible_number_formats`.
        decimal_comma: whether other columns of the table have decimal commas.
    """
    decimal = "," if decimal_comma else "."
    return next((candidate for candidate in formats if candidate.decimal == decimal), formats[0])
