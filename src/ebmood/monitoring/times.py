"""Times of rows: read from a column of dates, texts or numbers, checked for their order, and cut into intervals."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import types

from ebmood.core.errors import InputError
from ebmood.detector.cells.cell_values import drop_unreadable_times
from ebmood.detector.cells.dates import DateFormat, read_dates
from ebmood.detector.io.table_stream import Chunk

SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
"""Units of an interval of time."""

_INTERVAL = re.compile(r"(\d+)\s*(rows?|[a-z]+)")

NUMBERS: Final = "numbers"
"""The notation of times that are numbers without a unit."""

Notation = DateFormat | Literal["numbers"]
"""How the times of a column of text are written."""

_NOTATIONS: tuple[Notation, ...] = (NUMBERS, *(style for style in DateFormat if not style.is_number))

_FRACTION = re.compile(r":\d{2}:\d{2}[.,](\d+)")
_ZONE = re.compile(r":\d{2}.*?([+-])(\d{2}):?(\d{2})?(?:\s+[A-Z]{3,4})?(?:\s+\d{4})?$")
"""The zone of a time, after its clock. In the format of a log, the name of a zone and the year may follow."""


@dataclass(frozen=True)
class Interval:
    """How a feed is cut into batches: one of the two is set.

    Attributes:
        rows: number of rows of a batch.
        seconds: duration of a batch, which begins at a multiple of it since 1970.
    """

    rows: int | None = None
    seconds: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Interval":
        """Return the interval that a text names.

        >>> Interval.parse("500rows").rows, Interval.parse("30m").seconds
        (500, 1800)

        Raises:
            InputError: the text names none.
        """
        match = _INTERVAL.fullmatch(text.strip().lower())
        if match and int(match[1]) and match[2] in ("row", "rows"):
            return cls(rows=int(match[1]))
        if match and int(match[1]) and match[2] in SECONDS:
            return cls(seconds=int(match[1]) * SECONDS[match[2]])
        raise InputError(f"--every {text}: give a number of rows or a time, such as 1000rows, 30m, 1h or 1d")


@dataclass(frozen=True)
class Times:
    """The times of N rows.

    Attributes:
        seconds: `(N,)`, seconds since 1970, or the numbers of a column of numbers.
        texts: how the table writes them.
        are_dates: false for numbers, which have no unit.
    """

    seconds: NDArray[np.float64]
    texts: list[str]
    are_dates: bool


def read_times(chunk: Chunk, column: str, notation: Notation | None = None) -> Times:
    """Return the times of the rows of a chunk. Times without a zone are taken as UTC.

    Args:
        chunk: the rows.
        column: the column of times.
        notation: how text is read; None for the notation that most cells of the chunk have.

    Raises:
        InputError: a time is missing, or is not in this notation. The message names its row.
    """
    cells = chunk.rows.column(column)
    if types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    errors = drop_unreadable_times(cells)[1]
    if errors:
        row = min(errors)
        raise InputError(f"{chunk.describe_cell(row, column)}: {errors[row]}; correct it, or remove the row")
    texts = ["" if value is None else str(value) for value in cells.to_pylist()]
    empty = [not text.strip() for text in texts]
    if any(empty):
        raise InputError(
            f"{chunk.describe_cell(empty.index(True), column)}: the time is missing; remove the row"
        )
    if is_temporal(chunk, column):
        unit = cells.type.unit if types.is_timestamp(cells.type) else "us"
        microseconds = cells.cast(pyarrow.timestamp(unit)).cast(pyarrow.timestamp("us"), safe=False)
        return Times(microseconds.cast(pyarrow.int64()).to_numpy(zero_copy_only=False) / 1e6, texts, True)
    if notation is None:
        notation, _ = choose_notation(texts)
    seconds, wrong = _read_seconds(texts, notation)
    if wrong.any():
        row = int(wrong.argmax())
        problem = {
            NUMBERS: "is no number, as most times are; correct it, or remove the row",
            DateFormat.ISO: "is no time; write times as 2020-01-31T12:00:00, or as numbers",
        }.get(notation, f"is no time like {notation}, as most times are; correct it, or remove the row")
        raise InputError(f"{chunk.describe_cell(row, column)}: {texts[row][:40]!r} {problem}")
    return Times(seconds, texts, notation != NUMBERS)


def is_temporal(chunk: Chunk, column: str) -> bool:
    """Return whether a column holds dates or times with dates, which have no notation."""
    kind = chunk.rows.column(column).type
    if types.is_dictionary(kind):
        kind = kind.value_type
    return types.is_timestamp(kind) or types.is_date(kind)


def choose_notation(texts: Sequence[str]) -> tuple[Notation, bool]:
    """Return the notation that most texts have, and whether day and month may be confused.

    >>> choose_notation(["1/2/2024", "1/13/2024", "soon"])
    (<DateFormat.MONTH_FIRST: '01/31/2020'>, False)
    >>> choose_notation(["1/2/2024", "1/3/2024"])
    (<DateFormat.DAY_FIRST: '31/01/2020'>, True)
    """
    read = {notation: int((~_read_seconds(texts, notation)[1]).sum()) for notation in _NOTATIONS}
    best: Notation = max(_NOTATIONS, key=lambda notation: read[notation])  # the first one of several
    if not read[best]:
        return DateFormat.ISO, False
    return best, best == DateFormat.DAY_FIRST and read[best] == read[DateFormat.MONTH_FIRST]


def check_order(chunk: Chunk, column: str, times: Times, before: float) -> None:
    """Check that no time is earlier than the one before it.

    Args:
        chunk: the rows, for messages.
        column: the column of times, for messages.
        times: their times.
        before: the time of the row before them; minus infinity if there is none.

    Raises:
        InputError: a time is earlier; the message names the row.
    """
    earlier = np.diff(times.seconds, prepend=before) < 0
    if earlier.any():
        row = int(earlier.argmax())
        raise InputError(
            f"{chunk.describe_cell(row, column)}: {times.texts[row]} is earlier than the time of the row before; sort "
            "the feed by this column, and give its files in order of time"
        )


def start_of(seconds: float, interval: int) -> float:
    """Return the start of the interval of time that holds a time."""
    return math.floor(seconds / interval) * interval


def format_time(seconds: float) -> str:
    """Return a time in ISO 8601.

    >>> format_time(1361653200.0)
    '2013-02-23T21:00:00Z'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _to_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _read_seconds(texts: Sequence[str], notation: Notation) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the times of texts in seconds since 1970, `(N,)`, and which texts are none in this notation, `(N,)`."""
    if notation == NUMBERS or notation.is_number:
        numbers = [_to_number(text) for text in texts]
        values = np.array([math.nan if number is None else number for number in numbers])
        if notation == NUMBERS:
            return values, np.isnan(values)
        times, wrong = read_dates(pyarrow.array(values, from_pandas=True), notation)
        return times.astype(np.int64) / 1e6, wrong | np.isnan(values)
    texts = [text.strip() for text in texts]
    times, wrong = read_dates(pyarrow.array(texts, pyarrow.string()), notation)
    seconds = times.astype(np.int64) / 1e6
    for row, text in enumerate(texts):
        if wrong[row] and notation == DateFormat.ISO:
            exact = _from_iso(text)
            wrong[row] = exact is None
            seconds[row] = math.nan if exact is None else exact
        elif not wrong[row]:
            seconds[row] += _fraction(text) - _offset(text)
    return seconds, wrong


def _from_iso(text: str) -> float | None:
    """Return the time of a text in a further notation of ISO 8601, such as 20200131T1200; None if it is in none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _fraction(text: str) -> float:
    """Return the fraction of a second in a time."""
    match = _FRACTION.search(text)
    return float(f"0.{match[1]}") if match else 0.0


def _offset(text: str) -> float:
    """Return the seconds by which the zone of a time is ahead of UTC; 0 without a zone."""
    match = _ZONE.search(text)
    if not match:
        return 0.0
    seconds = int(match[2]) * 3600 + int(match[3] or 0) * 60
    return float(-seconds if match[1] == "-" else seconds)
