"""Decide what a column of text holds: numbers, dates, or names."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import pyarrow
from numpy.typing import NDArray

from ebmood.detector.io.arrow import compute
from ebmood.detector.io.categories import MISSING_WORDS
from ebmood.detector.io.cell_values import (
    LIMIT,
    MISSING_NUMBERS,
    YES_NO,
    clean_text,
    read_numbers,
    read_seconds,
    read_times,
)
from ebmood.detector.io.dates import TEXT_FORMATS, DateFormat, read_dates
from ebmood.detector.io.dates import possible_formats as possible_date_formats
from ebmood.detector.io.durations import read_durations
from ebmood.detector.io.number_format import PLAIN, NumberFormat, choose_format, possible_formats
from ebmood.detector.preparation.columns import NumberColumn
from ebmood.detector.preparation.date_rules import decide_dates
from ebmood.detector.preparation.decision import Decision
from ebmood.detector.preparation.name_rules import decide_names
from ebmood.detector.preparation.number_rules import decide_durations, decide_numbers

MANY_NUMBERS = 20
"""Different numbers (or dates), above which other text among them is an error and not a code."""

ODD_SHARE = 0.5
"""Share of cells that may be other text among numbers."""

NUMBERS = r"^\[[-+0-9.,eE\s]*[0-9][-+0-9.,eE\s]*\]$"
"""A list of numbers as JSON, Python and NumPy write it."""

HOLDS_LISTS = "holds lists; write each of their numbers to a column of its own"

SAMPLE = 1000
"""Different cells that are compared with all formats before the whole column is."""


class TextColumn:
    """The cells of a column of text.

    Args:
        cells: `(N,)` text.
        missing: further words for missing values.
    """

    def __init__(self, cells: pyarrow.Array, missing: Collection[str]):
        self.raw = cells
        self.missing = missing

    @cached_property
    def cells(self) -> pyarrow.Array:
        """Text without spaces around it; null for all words for missing numbers."""
        return clean_text(self.raw, {*MISSING_WORDS, *MISSING_NUMBERS, *self.missing})

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
        formats = possible_formats(sample) if len(sample) else []
        if self.is_plain:
            formats = [PLAIN, *(style for style in formats if style.decimal == ",")] if len(sample) else []
        if not formats or formats == [PLAIN]:
            return formats
        rest = self.distinct
        fitting = [
            style for style in formats if (style.is_plain and self.is_plain) or not style.parse(rest)[1].any()
        ]
        return fitting or (possible_formats(rest) if len(rest) > len(sample) else [])

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
        """Whether all cells are lists of numbers, such as embeddings, and there is a cell."""
        return bool(len(self.distinct)) and all(
            compute.all(compute.match_substring_regex(cells, NUMBERS)).as_py()
            for cells in (self.distinct[:SAMPLE], self.distinct)
        )

    def most_likely_format(self) -> NumberFormat:
        """Return the format in which most of the first different cells are numbers."""
        sample = self.distinct[:SAMPLE]
        candidates = [PLAIN]
        for cell in sample[:50]:
            styles = possible_formats(pyarrow.array([cell.as_py()], sample.type))
            candidates += [style for style in styles if style not in candidates]
        return max(candidates, key=lambda style: int((~style.parse(sample)[1]).sum()))


def decimal_comma(formats: Iterable[Sequence[NumberFormat]], delimiter: str) -> bool:
    """Return whether the numbers of a table have decimal commas, where a column leaves that open.

    Args:
        formats: the possible formats of each column.
        delimiter: the character between the cells of the file.
    """
    kinds = [{style.decimal for style in styles} for styles in formats]
    commas, points = kinds.count({","}), kinds.count({"."})
    return commas > points or (commas == points and delimiter == ";")


def decide_text(name: str, text: TextColumn, formats: Sequence[NumberFormat], comma: bool) -> Decision:
    """Return the decision about a column of text.

    Args:
        name: name of the column.
        text: its cells.
        formats: the formats in which they are numbers.
        comma: whether the numbers of the table have decimal commas.
    """
    if formats and text.is_plain and not _has_leading_zeros(text):
        return decide_numbers(name, text.raw, choose_format(formats, comma), text.missing)
    is_open = any(style.decimal == "," and not style.thousands for style in formats)
    if not len(text.distinct):
        return Decision.leave_out(name, "empty", "has no values", constant="")
    words = set(compute.utf8_lower(text.distinct[:10]).to_pylist())
    if len(text.distinct) <= 10 and _are_yes_no(words):
        if len(words) == 1 and not text.cells.null_count:
            [value] = words
            return Decision.leave_out(name, "constant", f"always {value!r}", constant=value)
        return Decision(NumberColumn(name=name, yes_no=True), "yes/no", "0 or 1")
    if formats and _has_leading_zeros(text):
        return decide_names(name, text.raw, text.missing, "codes that start with 0")
    if formats:
        style = choose_format(formats, comma)
        decision = decide_numbers(name, text.raw, style, text.missing)
        is_guess = is_open and style.thousands == ","
        return replace(decision, reason=f"{decision.reason}, which is a guess") if is_guess else decision
    dates = text.date_formats()
    if dates and not (dates[0] == DateFormat.CLOCK and text.are_durations and _are_short(text)):
        return decide_dates(name, text.raw, dates[0], text.missing, _describe_dates(dates))
    if text.are_durations:
        return decide_durations(name, text.raw, text.missing)
    return _decide_mixture(name, text)


def _decide_mixture(name: str, text: TextColumn) -> Decision:
    """Return the decision about text that is neither all numbers nor all dates."""
    if text.are_lists:
        return Decision.leave_out(name, "other", HOLDS_LISTS)
    style = text.most_likely_format()
    if _are_many(style.parse(text.distinct)[1]):
        numbers = read_numbers(text.raw, style, text.missing)
        if len(numbers.errors) <= ODD_SHARE * np.isfinite(numbers.values).sum():
            decision = decide_numbers(name, text.raw, style, text.missing, is_forced=True)
            detail = ", ".join(filter(None, [style.describe(), _describe_limits(text, numbers.errors)]))
            return Decision(decision.column, "number", "number", detail, numbers.errors)
    for date_style in TEXT_FORMATS:
        if read_dates(text.distinct[:SAMPLE], date_style)[1].all():
            continue
        if _are_many(read_dates(text.distinct, date_style)[1]):
            times = read_times(text.raw, date_style, text.missing)
            if len(times.errors) <= ODD_SHARE * (~np.isnat(times.values)).sum():
                return decide_dates(name, text.raw, date_style, text.missing)
    if _are_many(read_durations(text.distinct)[1]):
        durations = read_seconds(text.raw, text.missing)
        if len(durations.errors) <= ODD_SHARE * np.isfinite(durations.values).sum():
            return decide_durations(name, text.raw, text.missing)
    return decide_names(name, text.raw, text.missing)


def _describe_limits(text: TextColumn, errors: Collection[int]) -> str:
    """Return in words that limits of measurement are read as numbers; empty if there are none."""
    is_limit = compute.fill_null(compute.match_substring_regex(text.cells, LIMIT), False)
    row = next(
        (row for row in is_limit.to_numpy(zero_copy_only=False).nonzero()[0] if row not in errors), None
    )
    if row is None:
        return ""
    cell = text.cells[int(row)].as_py()
    return f"{cell[:20]!r} is read as {re.sub(LIMIT, '', cell)[:20]}"


def _are_yes_no(words: set[str]) -> bool:
    """Return whether words, in lower case, are spellings of yes and no, and say both of them if they are several."""
    numbers = {YES_NO.get(word, {"1": 1.0, "0": 0.0}.get(word)) for word in words}
    usual = {"true", "false", "yes", "no", "y", "n", "1", "0"}
    return (
        None not in numbers and (len(words) == 1 or len(numbers) == 2) and (len(words) <= 2 or words <= usual)
    )


def _are_many(odd: NDArray[np.bool_]) -> bool:
    """Return whether different cells of one kind are so many that others among them are errors."""
    return int((~odd).sum()) > MANY_NUMBERS


def _are_short(text: TextColumn) -> bool:
    """Return whether clock times are durations: they start in the first hour, and none is after noon."""
    hours = read_durations(text.distinct)[0] / 3600
    return bool(hours.min() < 1 and hours.max() < 12)


def _has_leading_zeros(text: TextColumn) -> bool:
    """Return whether a cell is a code such as 007."""
    return bool(compute.any(compute.match_substring_regex(text.raw, "^\\s*0[0-9]+\\s*$")).as_py())


def _describe_dates(formats: Sequence[DateFormat]) -> str:
    if {DateFormat.DAY_FIRST, DateFormat.MONTH_FIRST} <= set(formats):
        return "day before month, which is a guess"
    return "" if formats[0] == DateFormat.ISO else f"written like {formats[0]}"
