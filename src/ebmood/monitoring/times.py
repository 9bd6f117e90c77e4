"""Times of rows: read from a column of dates, texts or numbers, checked for their order, and cut into intervals."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import types

from ebmood.core.errors import InputError
from ebmood.detector.cells.cell_values import drop_unreadable_times
from ebmood.detector.cells.dates import DateFormat, possible_date_formats, read_dates
from ebmood.detector.io.table_stream import Chunk

SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
"""Units of an interval of time."""

_INTERVAL = re.compile(r"(\d+)\s*(rows?|[a-z]+)")


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


def read_times(chunk: Chunk, column: str) -> Times:
    """Return the times of the rows of a chunk. Times without a zone are taken as UTC.

    Raises:
        InputError: a time is missing, or is neither a number nor a date in the format of the others.
    """
    cells = chunk.rows.column(column)
    if types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if cells.null_count:
        row = cells.is_null().to_pylist().index(True)
        raise InputError(f"{chunk.describe_cell(row, column)}: the time is missing; remove the row")
    errors = drop_unreadable_times(cells)[1]
    if errors:
        row = min(errors)
        raise InputError(f"{chunk.describe_cell(row, column)}: {errors[row]}; correct it, or remove the row")
    texts = [str(value) for value in cells.to_pylist()]
    if types.is_timestamp(cells.type) or types.is_date(cells.type):
        unit = cells.type.unit if types.is_timestamp(cells.type) else "us"
        microseconds = cells.cast(pyarrow.timestamp(unit)).cast(pyarrow.timestamp("us"), safe=False)
        return Times(microseconds.cast(pyarrow.int64()).to_numpy(zero_copy_only=False) / 1e6, texts, True)
    numbers = [_to_number(text) for text in texts]
    if all(number is not None for number in numbers):
        return Times(np.array(numbers, np.float64), texts, False)
    trimmed = pyarrow.array([text.strip() for text in texts], pyarrow.string())
    formats = [style for style in possible_date_formats(trimmed) if style != DateFormat.ISO]
    if formats:
        times = read_dates(trimmed, formats[0])[0]
        return Times(times.astype(np.int64) / 1e6, texts, True)
    seconds = np.empty(len(texts))
    for row, text in enumerate(texts):
        seconds[row] = _to_seconds(chunk, column, row, text)
    return Times(seconds, texts, True)


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


def _to_seconds(chunk: Chunk, column: str, row: int, text: str) -> float:
    try:
        time = datetime.fromisoformat(text.strip().replace("/", "-"))
    except ValueError:
        raise InputError(
            f"{chunk.describe_cell(row, column)}: {text[:40]!r} is no time; write times as 2020-01-31T12:00:00, or as "
            "numbers"
        ) from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
