"""Decide what a column of text holds: numbers, dates, or names."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray

from ebmood.detector.cells.arrow import compute
from ebmood.detector.cells.cell_values import (
    LIMIT,
    YES_NO,
    Cells,
    clean_text,
    distinct_names,
    read_numbers,
    read_seconds,
    read_times,
)
from ebmood.detector.cells.dates import TEXT_FORMATS, DateFormat, possible_date_formats, read_dates
from ebmood.detector.cells.durations import read_durations
from ebmood.detector.cells.number_format import PLAIN, NumberFormat, choose_format, possible_number_formats
from ebmood.detector.preparation.category_rules import FREE_TEXT, decide_categories
from ebmood.detector.preparation.columns import NumberColumn
from ebmood.detector.preparation.date_rules import decide_dates
from ebmood.detector.preparation.decision import Decision, join_reasons
from ebmood.detector.preparation.number_rules import MISSING_CODES, decide_durations, decide_numbers

MANY_NUMBERS = 20
"""If a column has more different numbers (or dates) than this, other text among them is an error, not a code."""

ODD_SHARE = 0.5
"""Number of odd cells among numbers, dates or durations, as a share of those, up to which they are errors."""

NO_CATEGORIES = (FREE_TEXT, "id", "rare names")
"""Kinds of text that is left out, unless it looks like numbers in different notations."""

NUMBERS = r"^\[[-+0-9.,eE\s]*[0-9][-+0-9.,eE\s]*\]$"
"""A list of numbers as JSON, Python and NumPy write it."""

HOLDS_LISTS = (
    "holds lists as text; store them as .parquet or .jsonl, or each of their numbers in a column of its own"
)
"""Why lists of numbers in a text file are not read."""

MAX_NOTATIONS, NUMBER_SHARE = 4, 0.95
"""Number of notations, and the share of cells that are numbers in one of them, of a column of mixed numbers."""

DAY_FIRST_DOUBT = "day before month, which is a guess"
"""What is said of dates that may also have the month first."""

SAMPLE = 1000
"""Different cells that are compared with all formats before the whole column is."""


class TextColumn:
    """The cells of a column of text.

    Args:
        cells: `(N,)` text.
        missing: further words for missing values.
        name_row: returns the name of a row in the table by its number among the cells.
    """

    def __init__(
        self, cells: pyarrow.Array, missing: Collection[str], name_row: Callable[[int], str] = "row {}".format
    ):
        self.raw = cells
        self.missing = missing
        self.name_row = name_row

    @cached_property
    def cells(self) -> pyarrow.Array:
        """The cells as `clean_text` returns them."""
        return clean_text(self.raw, self.missing)

    @cached_property
    def distinct(self) -> pyarrow.Array:
        """The different cells that are not missing."""
        return self.cells.unique().drop_null()

    @cached_property
    def is_plain(self) -> bool:
        """Whether all cells are plain numbers."""
        try:  # most columns hold nothing but numbers
            compute.cast(self.raw, pyarrow.float64())
        except pyarrow.ArrowInvalid:
            try:
                compute.cast(self.cells, pyarrow.float64())
            except pyarrow.ArrowInvalid:
                return False
        return True

    def number_formats(self) -> list[NumberFormat]:
        """Return the formats in which all cells are numbers; none if there is no cell."""
        sample = TextColumn(self.raw[:SAMPLE], self.missing).distinct
        if not len(sample):
            sample = self.distinct[:SAMPLE]
        formats = possible_number_formats(sample) if len(sample) else []
        if self.is_plain:
            commas = [candidate for candidate in formats if candidate.decimal == ","]
            formats = [PLAIN, *commas] if len(sample) else []
        if not formats or formats == [PLAIN]:
            return formats
        rest = self.distinct
        fitting = [
            candidate
            for candidate in formats
            if (candidate.is_plain and self.is_plain) or not candidate.parse(rest)[1].any()
        ]
        return fitting or (possible_number_formats(rest) if len(rest) > len(sample) else [])

    def decimal_hint(self, formats: Sequence[NumberFormat]) -> str:
        """Return the decimal sign that cells without one suggest if the formats leave it open, and else empty text.

        Next to `950`, the sign of `1.500` separates thousands. Next to `1500` it does not.
        """
        if len({candidate.decimal for candidate in formats}) < 2:
            return ""
        marks = [mark for mark in ".," if compute.any(compute.match_substring(self.distinct, mark)).as_py()]
        if len(marks) != 1:
            return ""
        whole = self.distinct.filter(compute.invert(compute.match_substring(self.distinct, marks[0])))
        whole = whole.filter(compute.match_substring_regex(whole, "[1-9]"))
        # Zero and numbers that mean missing are written like this in any case.
        codes = pyarrow.array([f"{code:.0f}" for code in MISSING_CODES], whole.type)
        whole = whole.filter(compute.invert(compute.is_in(whole, codes)))
        if not len(whole):
            return ""
        is_decimal = compute.any(compute.match_substring_regex(whole, "[0-9]{4}")).as_py()
        return marks[0] if is_decimal else ".,".replace(marks[0], "")

    def date_formats(self) -> list[DateFormat]:
        """Return the formats in which all cells are dates; none if there is no cell."""
        if not len(self.distinct) or not possible_date_formats(self.distinct[:SAMPLE]):
            return []
        return possible_date_formats(self.distinct)

    @cached_property
    def are_durations(self) -> bool:
        """Whether all cells are durations, and there is a cell."""
        return all(
            len(cells) and not read_durations(cells)[1].any()
            for cells in (self.distinct[:SAMPLE], self.distinct)
        )

    @cached_property
    def are_lists(self) -> bool:
        """Whether most cells are lists of numbers, such as embeddings."""
        return bool(len(self.distinct)) and all(
            compute.mean(compute.match_substring_regex(cells, NUMBERS)).as_py() > 0.5
            for cells in (self.distinct[:SAMPLE], self.distinct)
        )

    def most_likely_format(self) -> NumberFormat:
        """Return the format in which most of the first different cells are numbers."""
        return _most_likely_format(self.distinct[:SAMPLE])

    def notations(self) -> list[NumberFormat]:
        """Return the formats in which nearly all cells are numbers if these are several, but few."""
        rest = sample = self.distinct[:SAMPLE]
        formats: list[NumberFormat] = []
        if compute.any(compute.match_substring_regex(sample, "^0[0-9]")).as_py():  # codes
            return []
        while len(rest) > (1 - NUMBER_SHARE) * len(sample) and len(formats) < MAX_NOTATIONS:
            formats.append(_most_likely_format(rest))
            odd = formats[-1].parse(rest)[1]
            if odd.all():
                return []
            rest = rest.filter(pyarrow.array(odd))
        return formats if len(rest) <= (1 - NUMBER_SHARE) * len(sample) and len(formats) > 1 else []


def _most_likely_format(cells: pyarrow.Array) -> NumberFormat:
    """Return the format in which most cells are numbers, among those of the first ones. The cells are different."""
    candidates = [PLAIN]
    for cell in cells[:50]:
        formats = possible_number_formats(pyarrow.array([cell.as_py()], cells.type))
        candidates += [candidate for candidate in formats if candidate not in candidates]
    return max(candidates, key=lambda candidate: int((~candidate.parse(cells)[1]).sum()))


@dataclass(frozen=True)
class DecimalSign:
    """The decimal sign of the numbers of a table, where a column leaves it open.

    Attributes:
        is_comma: whether it is a comma.
        is_certain: whether cells of the table say so; else only the delimiter of the file does.
    """

    is_comma: bool
    is_certain: bool = True

    def choose(self, formats: Sequence[NumberFormat]) -> NumberFormat:
        """Return the format of a column."""
        return choose_format(formats, self.is_comma)

    def describe_doubt(self, formats: Sequence[NumberFormat]) -> str:
        """Return in words that the format of a column is a guess; empty if it is none."""
        chosen = self.choose(formats)
        others = [candidate for candidate in formats if candidate.decimal == chosen.thousands]
        is_guess = any(not candidate.thousands for candidate in others)
        # A comma may also be the decimal sign of this column alone.
        if is_guess and (chosen.thousands == "," or not self.is_certain):
            return f"{chosen.describe()}, which is a guess"
        return ""


def find_decimal_sign(
    formats: Iterable[Sequence[NumberFormat]], hints: Iterable[str], delimiter: str
) -> DecimalSign:
    """Return the decimal sign of a table.

    Columns that leave no choice decide. Only if there are none, or equally many of both kinds, and the delimiter is a
    semicolon, as in files with decimal commas, the other cells of the open columns decide, and then the delimiter.

    Args:
        formats: the possible formats of each column.
        hints: for each column, the sign that `TextColumn.decimal_hint` returns.
        delimiter: the character between the cells of the file.
    """
    signs = [{candidate.decimal for candidate in candidates} for candidates in formats]
    commas, points = signs.count({","}), signs.count({"."})
    if commas != points or delimiter != ";":
        return DecimalSign(commas > points, commas != points)
    hints = list(hints)
    commas, points = hints.count(","), hints.count(".")
    return DecimalSign(commas >= points, commas != points)


def decide_text(name: str, text: TextColumn, formats: Sequence[NumberFormat], sign: DecimalSign) -> Decision:
    """Return the decision about a column of text.

    Args:
        name: name of the column.
        text: its cells.
        formats: the formats in which they are numbers.
        sign: the decimal sign of the numbers of the table.
    """
    has_codes = bool(formats) and _has_leading_zeros(text)
    if formats and text.is_plain and not has_codes:
        return _decide_written(name, text, formats, sign)
    if not len(text.distinct):
        return Decision.leave_out(name, "empty", "has no values", constant="")
    words = set(compute.utf8_lower(text.distinct[:10]).to_pylist())
    if len(text.distinct) <= 10 and _are_yes_no(words):
        if len(words) == 1 and not text.cells.null_count:
            [value] = words
            spellings = distinct_names(text.raw, text.missing)
            return Decision.leave_out(name, "constant", f"always {value!r}", value, spellings)
        return Decision(NumberColumn(name=name, yes_no=True), "yes/no", "0 or 1")
    if has_codes:
        return decide_categories(name, text.raw, text.missing, "codes that start with 0")
    if formats:
        return _decide_written(name, text, formats, sign)
    dates = text.date_formats()
    if dates and not (dates[0] == DateFormat.CLOCK and text.are_durations and _are_short(text)):
        decision = decide_dates(name, text.raw, dates[0], text.missing, _describe_dates(dates))
        return replace(decision, doubts=(DAY_FIRST_DOUBT,)) if _is_open(dates) else decision
    if text.are_durations:
        return decide_durations(name, text.raw, text.missing)
    return _decide_mixture(name, text)


def _decide_written(
    name: str, text: TextColumn, formats: Sequence[NumberFormat], sign: DecimalSign
) -> Decision:
    """Return the decision about text that is numbers in some formats, with the doubt about the format."""
    doubt = sign.describe_doubt(formats)
    decision = decide_numbers(name, text.raw, sign.choose(formats), text.missing, doubt=doubt)
    return decision.with_doubt("" if decision.kind == "constant" else doubt)


def _decide_mixture(name: str, text: TextColumn) -> Decision:
    """Return the decision about text that is neither all numbers nor all dates."""
    if text.are_lists:
        return Decision.leave_out(name, "other", HOLDS_LISTS)
    number_format = text.most_likely_format()
    if _are_many(number_format.parse(text.distinct)[1]):
        numbers = read_numbers(text.raw, number_format, text.missing)
        if _are_few_odd(numbers):
            decision = decide_numbers(name, text.raw, number_format, text.missing, is_forced=True)
            detail = join_reasons(number_format.describe(), _describe_limits(text, numbers.errors))
            return Decision(decision.column, "number", "number", detail, numbers.errors)
    for date_format in TEXT_FORMATS:
        if read_dates(text.distinct[:SAMPLE], date_format)[1].all():
            continue
        if _are_many(read_dates(text.distinct, date_format)[1]):
            times = read_times(text.raw, date_format, text.missing)
            if _are_few_odd(times):
                return decide_dates(name, text.raw, date_format, text.missing)
    if _are_many(read_durations(text.distinct)[1]) and _are_few_odd(read_seconds(text.raw, text.missing)):
        return decide_durations(name, text.raw, text.missing)
    decision = decide_categories(name, text.raw, text.missing)
    formats = text.notations() if decision.kind in NO_CATEGORIES else []
    if formats:
        return Decision.leave_out(name, "mixed numbers", _describe_notations(text, formats))
    return decision


def _describe_notations(text: TextColumn, formats: Sequence[NumberFormat]) -> str:
    """Return in words that the cells are numbers in several formats, with a cell of each of the first two."""
    is_first, is_second = (
        ~form.parse(text.cells)[1] & np.asarray(text.cells.is_valid()) for form in formats[:2]
    )
    rows = sorted((int((is_first & ~is_second).argmax()), int((is_second & ~is_first).argmax())))
    cells = " and ".join(f"{text.cells[row].as_py()[:20]!r} ({text.name_row(row)})" for row in rows)
    return f"look like numbers in different notations, such as {cells}; write all of them in one"


def _describe_limits(text: TextColumn, errors: Collection[int]) -> str:
    """Return in words that limits of measurement are read as numbers; empty if there are none."""
    limits = compute.indices_nonzero(compute.match_substring_regex(text.cells, LIMIT)).to_pylist()
    row = next((row for row in limits if row not in errors), None)
    if row is None:
        return ""
    cell = text.cells[row].as_py()
    return f"{cell[:20]!r} is read as {re.sub(LIMIT, '', cell)[:20]}"


def _are_yes_no(words: set[str]) -> bool:
    """Return whether words, in lower case, are one spelling of yes or no, or spellings of both."""
    numbers = {(YES_NO | {"1": 1.0, "0": 0.0}).get(word) for word in words}
    usual = {"true", "false", "yes", "no", "y", "n", "1", "0"}
    return (
        None not in numbers and (len(words) == 1 or len(numbers) == 2) and (len(words) <= 2 or words <= usual)
    )


def _are_many(odd: NDArray[np.bool_]) -> bool:
    """Return whether more than `MANY_NUMBERS` different cells can be read. Then the odd cells are errors."""
    return int((~odd).sum()) > MANY_NUMBERS


def _are_few_odd(cells: Cells[NDArray[Any]]) -> bool:
    """Return whether the odd cells are few compared with those that are read."""
    return len(cells.errors) <= ODD_SHARE * np.isfinite(cells.values).sum()


def _are_short(text: TextColumn) -> bool:
    """Return whether clock times are durations: they start in the first hour, and none is after noon."""
    hours = read_durations(text.distinct)[0] / 3600
    return bool(hours.min() < 1 and hours.max() < 12)


def _has_leading_zeros(text: TextColumn) -> bool:
    """Return whether a cell is a code such as 007."""
    return bool(compute.any(compute.match_substring_regex(text.raw, "^\\s*0[0-9]+\\s*$")).as_py())


def _is_open(formats: Sequence[DateFormat]) -> bool:
    """Return whether dates may have the day or the month first."""
    return {DateFormat.DAY_FIRST, DateFormat.MONTH_FIRST} <= set(formats)


def _describe_dates(formats: Sequence[DateFormat]) -> str:
    if _is_open(formats):
        return DAY_FIRST_DOUBT
    return "" if formats[0] == DateFormat.ISO else f"written like {formats[0]}"
