"""Decide from all rows of a table what each column holds, and what a detector reads of it.

The rules look at the values and the names of columns. A user overrides each of them by name.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import pyarrow
from pyarrow import types

from ebmood.core.errors import DataWarning, InputError, warn
from ebmood.core.interface import for_interface
from ebmood.detector.cells.cell_values import is_list, is_text, is_unusable, read_categories, read_numbers
from ebmood.detector.cells.dates import DateFormat, epoch_format
from ebmood.detector.cells.number_format import PLAIN, NumberFormat
from ebmood.detector.io.column_names import format_option
from ebmood.detector.preparation.choices import Choices
from ebmood.detector.preparation.columns import CategoryColumn, EmbeddedColumn, NumberColumn
from ebmood.detector.preparation.date_rules import decide_dates
from ebmood.detector.preparation.decision import BY_OPTION, Decision
from ebmood.detector.preparation.number_rules import decide_durations, decide_numbers
from ebmood.detector.preparation.text_rules import DecimalSign, TextColumn, decide_text, find_decimal_sign
from ebmood.detector.preparation.vector_rules import decide_array_column, decide_lists
from ebmood.embedders import EmbedderIdentity


def decide(
    columns: Mapping[str, pyarrow.Array],
    choices: Choices,
    delimiter: str = ",",
    are_numbers: bool = False,
    name_row: Callable[[int], str] = "row {}".format,
) -> list[Decision]:
    """Return a decision for every column.

    Args:
        columns: the cells of each column by its name. All columns have the same number of rows, which is positive.
        choices: what the user sets, by the names of columns; see `Choices.resolve`.
        delimiter: the character between the cells of the file. With a semicolon, a decimal comma is more likely.
        are_numbers: whether the columns are those of an array of numbers.
        name_row: returns the name of a row in the table by its number among the cells, for the reasons.

    Raises:
        InputError: a column of lists or of other values that cannot be read is chosen as something else.
    """
    # TextColumn caches what it computes, so each is dropped after its use.
    formats, hints = {}, []
    for name, cells in columns.items():
        if is_text(cells.type):
            text = TextColumn(cells, choices.missing)
            formats[name] = text.number_formats()
            hints.append(text.decimal_hint(formats[name]))
    sign = find_decimal_sign(formats.values(), hints, delimiter)
    decisions = [
        _decide_column(name, cells, formats.get(name, []), sign, choices, are_numbers, name_row)
        for name, cells in columns.items()
    ]
    return _leave_out_counters(decisions, choices)


def _leave_out_counters(decisions: list[Decision], choices: Choices) -> list[Decision]:
    """Leave out numbers that only increase, or only decrease, if the rows are sorted by a column of dates or times.

    Such a number depends on the time of its row, like the reading of a meter, and later rows have values outside the
    range of the training rows. A table that is sorted by a column of numbers is not in the order of time.
    """
    times = [decision for decision in decisions if decision.kind == "date or time" and decision.trend]
    if not times:
        return decisions
    kept = []
    for decision in decisions:
        name = decision.column.name
        if isinstance(decision.column, NumberColumn) and decision.trend and name not in choices.numbers:
            verb = "grows" if decision.trend == times[0].trend else "falls"
            reason = (
                f"with the time of {times[0].column.name!r}, so that later rows lie beyond the training rows; "
                f"{format_option('--number', name)} reads it"
            )
            kept.append(Decision.leave_out(name, f"only {verb}", reason))
        else:
            kept.append(decision)
    return kept


def _decide_column(
    name: str,
    cells: pyarrow.Array,
    formats: Sequence[NumberFormat],
    sign: DecimalSign,
    choices: Choices,
    are_numbers: bool,
    name_row: Callable[[int], str],
) -> Decision:
    missing = choices.missing
    if is_unusable(cells.type):
        chosen = {"categories": choices.categories, "dates": choices.dates, "texts": choices.texts}
        content = "lists"
        if not is_list(cells.type):
            chosen["numbers"], content = choices.numbers, str(cells.type)
        kind = next((kind for kind, names in chosen.items() if name in names), None)
        if kind is not None:
            raise InputError(
                f"column {name!r}: holds {content}, which are not read as {kind}; leave the option or the column out"
            )
        if is_list(cells.type):
            return decide_lists(name, cells, missing)
        return Decision.leave_out(name, "other", f"holds {content}")
    if name in choices.categories:
        problems = read_categories(cells, missing).errors
        return Decision(CategoryColumn(name=name), "category", "category", BY_OPTION, problems)
    if name in choices.texts and choices.embedder is not None:
        return _decide_embedded(name, cells, bool(formats), missing, choices.embedder)
    text = TextColumn(cells, missing, name_row) if is_text(cells.type) else None
    if name in choices.dates:
        return decide_dates(name, cells, _likely_date_format(cells, text), missing, BY_OPTION, is_forced=True)
    if are_numbers:
        return decide_array_column(name, cells, missing)
    if name in choices.numbers:
        if types.is_duration(cells.type) or (text and not formats and text.are_durations):
            return decide_durations(name, cells, missing, f"a duration, in seconds, {BY_OPTION}")
        number_format = PLAIN
        if text:
            number_format = sign.choose(formats) if formats else text.most_likely_format()
        decision = decide_numbers(name, cells, number_format, missing, is_forced=True)
        return decision.with_doubt(sign.describe_doubt(formats) if formats else "")
    if text:
        return decide_text(name, text, formats, sign)
    if types.is_duration(cells.type):
        return decide_durations(name, cells, missing)
    if types.is_temporal(cells.type):
        return decide_dates(name, cells, _text_format(cells.type), missing)
    return decide_numbers(name, cells, PLAIN, missing)


def _decide_embedded(
    name: str,
    cells: pyarrow.Array,
    are_numbers: bool,
    missing: Collection[str],
    embedder: EmbedderIdentity,
) -> Decision:
    """Return the decision about a column whose texts are embedded. `are_numbers` is for a column of text."""
    read = read_categories(cells, missing)
    if not read.errors and not any(read.values.unique().to_pylist()):
        return Decision.leave_out(name, "empty", "has no texts")
    if is_text(cells.type):
        content = "numbers" if are_numbers else "dates" if TextColumn(cells, missing).date_formats() else ""
    else:
        content = "dates" if types.is_temporal(cells.type) else "numbers"
    if content:
        option = for_interface("--text", "texts=")
        warn(
            f"column {name!r} holds {content}, which {option} reads as words; leave it out of {option} to read them "
            f"as {content}",
            DataWarning,
        )
    treatment = f"{embedder.dimension} features of {embedder.name}"
    return Decision(EmbeddedColumn(name=name, embedder=embedder), "text", treatment, BY_OPTION, read.errors)


def _text_format(dtype: pyarrow.DataType) -> DateFormat:
    """Return the format in which text files hold the values of a column of dates or times."""
    return DateFormat.CLOCK if types.is_time(dtype) else DateFormat.ISO


def _likely_date_format(cells: pyarrow.Array, text: TextColumn | None) -> DateFormat:
    """Return the format in which a column is most likely dates."""
    if types.is_temporal(cells.type):
        return _text_format(cells.type)
    formats = (text or TextColumn(cells.cast(pyarrow.large_string()), ())).date_formats()
    if formats:
        return formats[0]
    numbers = read_numbers(cells).values
    numbers = numbers[~np.isnan(numbers)]
    return (epoch_format(numbers) if len(numbers) else None) or DateFormat.ISO
