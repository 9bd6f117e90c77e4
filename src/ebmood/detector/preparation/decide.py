"""Decide from all rows of a table what each column holds, and what a detector reads of it.

The rules look at the values and the names of columns. A user overrides each of them by name.
"""

import warnings
from collections.abc import Mapping, Sequence

import pyarrow
from pyarrow import types

from ebmood.core.errors import DataWarning
from ebmood.core.interface import for_interface
from ebmood.detector.io.arrow import compute
from ebmood.detector.io.cell_values import (
    decode,
    is_list,
    is_text,
    is_unusable,
    read_categories,
    read_numbers,
)
from ebmood.detector.io.column_names import format_option
from ebmood.detector.io.dates import DateFormat, epoch_format
from ebmood.detector.io.number_format import NumberFormat, choose_format
from ebmood.detector.preparation.columns import CategoryColumn, EmbeddedColumn, NumberColumn
from ebmood.detector.preparation.date_rules import decide_dates
from ebmood.detector.preparation.decision import BY_OPTION, Decision, Overrides
from ebmood.detector.preparation.number_rules import decide_durations, decide_numbers
from ebmood.detector.preparation.text_rules import HOLDS_LISTS, TextColumn, decide_text, decimal_comma


def decide(
    columns: Mapping[str, pyarrow.Array], overrides: Overrides, delimiter: str = ","
) -> list[Decision]:
    """Return a decision for every column.

    Args:
        columns: the cells of each column by its name. All columns have the same number of rows, which is positive.
        overrides: decisions of the user.
        delimiter: the character between the cells of the file. With a semicolon, a decimal comma is more likely.
    """
    # TextColumn caches what it computes, so each is dropped after its use.
    formats = {
        name: TextColumn(cells, overrides.missing).number_formats()
        for name, cells in columns.items()
        if is_text(cells.type)
    }
    comma = decimal_comma(formats.values(), delimiter)
    decisions = [
        _decide_column(name, cells, formats.get(name, []), comma, overrides)
        for name, cells in columns.items()
    ]
    return _leave_out_counters(decisions, overrides)


def _leave_out_counters(decisions: list[Decision], overrides: Overrides) -> list[Decision]:
    """Leave out numbers that only grow, or only fall, in rows that are in the order of time.

    Such a number says when a row was measured, as a meter does, and each later row lies beyond all training rows. In a
    table that is sorted by a column of numbers, times are not in order.
    """
    clocks = [decision for decision in decisions if decision.kind == "date or time" and decision.trend]
    if not clocks:
        return decisions
    kept = []
    for decision in decisions:
        name = decision.column.name
        if isinstance(decision.column, NumberColumn) and decision.trend and name not in overrides.numbers:
            verb = "grows" if decision.trend == clocks[0].trend else "falls"
            reason = (
                f"with the time of {clocks[0].column.name!r}, so that later rows lie beyond the training rows; "
                f"{format_option('--number', name)} reads it"
            )
            kept.append(Decision.leave_out(name, f"only {verb}", reason))
        else:
            kept.append(decision)
    return kept


def _decide_column(
    name: str, cells: pyarrow.Array, formats: Sequence[NumberFormat], comma: bool, overrides: Overrides
) -> Decision:
    missing = overrides.missing
    if name in overrides.categories:
        return Decision(CategoryColumn(name=name), "category", "category", BY_OPTION)
    if name in overrides.texts and overrides.embedder is not None:
        embedder = overrides.embedder
        values = read_categories(cells, missing).values
        if not any(values.unique().to_pylist()):
            return Decision.leave_out(name, "empty", "has no texts")
        if is_text(cells.type):
            kind = "numbers" if formats else "dates" if TextColumn(cells, missing).date_formats() else ""
        else:
            kind = "dates" if types.is_temporal(cells.type) else "numbers"
        if kind:
            option = for_interface("--text", "texts=")
            warnings.warn(
                f"column {name!r} holds {kind}, which {option} reads as words; leave it out of {option} to read them "
                f"as {kind}",
                DataWarning,
                stacklevel=2,
            )
        treatment = f"{embedder.dimension} features of {embedder.name}"
        return Decision(EmbeddedColumn(name=name, embedder=embedder), "text", treatment, BY_OPTION)
    if is_list(cells.type):
        return Decision.leave_out(name, "other", HOLDS_LISTS)
    if is_unusable(cells.type):
        return Decision.leave_out(name, "other", f"holds {cells.type}")
    text = TextColumn(cells, missing) if is_text(cells.type) else None
    if name in overrides.dates:
        return decide_dates(name, cells, _date_format(cells, text), missing, BY_OPTION, is_forced=True)
    if name in overrides.numbers:
        if types.is_duration(cells.type) or (text and not formats and text.are_durations):
            return decide_durations(name, cells, missing, f"a duration, in seconds, {BY_OPTION}")
        style = None
        if text:
            style = choose_format(formats, comma) if formats else text.most_likely_format()
        return decide_numbers(name, cells, style, missing, is_forced=True)
    if text:
        return decide_text(name, text, formats, comma)
    if types.is_duration(cells.type):
        return decide_durations(name, cells, missing)
    if types.is_temporal(cells.type):
        return decide_dates(name, cells, DateFormat.ISO, missing)
    return decide_numbers(name, cells, None, missing)


def _date_format(cells: pyarrow.Array, text: TextColumn | None) -> DateFormat:
    """Return the format in which a column is most likely dates."""
    if types.is_temporal(cells.type):
        return DateFormat.ISO
    formats = (text or TextColumn(cells.cast(pyarrow.large_string()), ())).date_formats()
    if formats:
        return formats[0]
    numbers = read_numbers(cells).values
    numbers = numbers[numbers == numbers]
    return (len(numbers) and epoch_format(numbers)) or DateFormat.ISO


def combine(pieces: Sequence[pyarrow.Array]) -> pyarrow.Array:
    """Return the pieces of a column as one array. Pieces of different types become text."""
    pieces = [decode(piece) for piece in pieces]
    kinds = {piece.type for piece in pieces if not types.is_null(piece.type)}
    if len(kinds) > 1:
        is_numeric = all(types.is_integer(kind) or types.is_floating(kind) for kind in kinds)
        target = pyarrow.float64() if is_numeric else pyarrow.large_string()
    else:
        target = kinds.pop() if kinds else pyarrow.null()
    if is_text(target):
        target = pyarrow.large_string()  # a string array holds 2^31 bytes at most
    return pyarrow.concat_arrays([compute.cast(piece, target, safe=False) for piece in pieces])
