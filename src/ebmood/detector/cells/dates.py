"""Read dates and times in the formats that tables have."""

from enum import StrEnum

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import types

from ebmood.detector.cells.arrow import compute

Times = NDArray[np.datetime64]
"""Dates and times in microseconds; NaT for missing ones. Times with a zone are local: the zone is not applied."""

_CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?|\s*(?:Uhr|h))?"
)
_ZONE = r"(?:\s*(?:Z|UTC|GMT|[+-]\d{2}:?(?:\d{2})?))?"
_AFTER_DATE = rf"(?:(?:[T ]|,\s*)\s*{_CLOCK}{_ZONE})?"


NO_YEAR = 2000
"""The year of dates without one. It has a 29 February."""


class DateFormat(StrEnum):
    """How the dates of a column are written."""

    ISO = "2020-01-31"
    DAY_FIRST = "31/01/2020"
    MONTH_FIRST = "01/31/2020"
    NAMED = "31 Jan 2020"
    SERVER = "31/Jan/2020:12:30:00"
    NAMED_MONTH_FIRST = "Jan 31, 2020"
    LOG = "Jan 31 12:30:00"
    MONTH = "2020-01"
    MONTH_AND_YEAR = "01/2020"
    NAMED_MONTH = "Jan 2020"
    SHORT_MONTH = "Jan-20"
    WEEK = "2020-W05"
    QUARTER = "Q1 2020"
    YEAR_AND_QUARTER = "2020-Q1"
    COMPACT = "20200131"
    CLOCK = "12:30"
    SECONDS = "seconds since 1970"
    MILLISECONDS = "milliseconds since 1970"
    MICROSECONDS = "microseconds since 1970"
    NANOSECONDS = "nanoseconds since 1970"

    @property
    def is_number(self) -> bool:
        """Whether the dates are numbers that count from 1970."""
        return self in _PER_SECOND


_DAY, _MONTH = r"(?P<day>\d{1,2})", r"(?P<month>\d{1,2})"
_YEAR = r"(?P<year>\d{4}|\d{2})"
_MONTH_NAMES = {
    **dict.fromkeys(("jan", "ene", "gen"), 1),
    **dict.fromkeys(("feb", "fév", "fev"), 2),
    **dict.fromkeys(("mar", "mär", "mrz", "mrt", "maa"), 3),
    **dict.fromkeys(("apr", "avr", "abr"), 4),
    **dict.fromkeys(("may", "mai", "maj", "mei", "mag"), 5),
    **dict.fromkeys(("jun", "juin", "giu"), 6),
    **dict.fromkeys(("jul", "juil", "lug"), 7),
    **dict.fromkeys(("aug", "aoû", "aou", "ago"), 8),
    **dict.fromkeys(("sep", "set"), 9),
    **dict.fromkeys(("oct", "okt", "ott", "out"), 10),
    "nov": 11,
    **dict.fromkeys(("dec", "dez", "déc", "dic", "des"), 12),
}
"""The number of a month by the first letters of its name, in English and other languages with Latin letters."""

_NAME = rf"(?P<name>(?i:{'|'.join(_MONTH_NAMES)}))\pL*\.?"
_WEEKDAY = r"(?:\pL{2,10}\.?,?\s+)?"

_PATTERNS = {
    DateFormat.ISO: rf"^(?P<year>\d{{4}})[-/.](?P<month>\d{{1,2}})[-/.](?P<day>\d{{1,2}}){_AFTER_DATE}$",
    DateFormat.DAY_FIRST: rf"^{_DAY}[-/.]{_MONTH}[-/.]{_YEAR}{_AFTER_DATE}$",
    DateFormat.MONTH_FIRST: rf"^{_MONTH}[-/.]{_DAY}[-/.]{_YEAR}{_AFTER_DATE}$",
    DateFormat.NAMED: rf"^{_WEEKDAY}{_DAY}(?:st|nd|rd|th|\.)?[-/\s]*(?:de )?{_NAME}[-/\s,]*(?:de )?{_YEAR}"
    rf"{_AFTER_DATE}$",
    DateFormat.SERVER: rf"^{_DAY}[-/]?{_NAME}[-/]?(?P<year>\d{{4}}):{_CLOCK}{_ZONE}$",
    DateFormat.NAMED_MONTH_FIRST: rf"^{_WEEKDAY}{_NAME}[-/\s]+{_DAY}(?:st|nd|rd|th)?,?[-/\s]+"
    rf"(?P<year>\d{{4}}){_AFTER_DATE}$",
    DateFormat.LOG: rf"^{_WEEKDAY}{_NAME}\s+{_DAY}\s+{_CLOCK}{_ZONE}(?:\s+[A-Z]{{3,4}})?(?:\s+(?P<year>\d{{4}}))?$",
    DateFormat.MONTH: r"^(?P<year>(?:19|20)\d{2})[-/M](?P<month>\d{1,2})$",
    DateFormat.MONTH_AND_YEAR: r"^(?P<month>\d{1,2})[-/.](?P<year>(?:19|20)\d{2})$",
    DateFormat.NAMED_MONTH: rf"^{_NAME}[-/\s',]*(?P<year>(?:19|20)\d{{2}})$",
    # Fewer names, as `Set 12` is no September.
    DateFormat.SHORT_MONTH: r"^(?P<name>(?i:jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez))[-/ '.]+"
    r"(?P<year>\d{2})$",
    DateFormat.WEEK: r"^(?P<year>(?:19|20)\d{2})[- /]?(?:W|KW ?)(?P<week>\d{1,2})(?:-?(?P<weekday>[1-7]))?$",
    DateFormat.QUARTER: rf"^Q(?P<quarter>[1-4])[-/\s']*{_YEAR}$",
    DateFormat.YEAR_AND_QUARTER: r"^(?P<year>(?:19|20)\d{2})[-/\s]*Q(?P<quarter>[1-4])$",
    DateFormat.COMPACT: r"^(?P<year>(?:19|20)\d{2})(?P<month>\d{2})(?P<day>\d{2})"
    r"(?:(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2}))?$",
    DateFormat.CLOCK: rf"^{_CLOCK}{_ZONE}$",
}

_PER_SECOND = {
    DateFormat.SECONDS: 1,
    DateFormat.MILLISECONDS: 10**3,
    DateFormat.MICROSECONDS: 10**6,
    DateFormat.NANOSECONDS: 10**9,
}

_EPOCH = range(10**8, 5 * 10**9)
"""Seconds since 1970 that are read as dates: the years 1973 to 2128."""


TEXT_FORMATS = tuple(date_format for date_format in _PATTERNS if date_format != DateFormat.COMPACT)
"""The formats of text that is not a number."""


def read_dates(cells: pyarrow.Array, date_format: DateFormat) -> tuple[Times, NDArray[np.bool_]]:
    """Return dates, and which cells are not dates in this format.

    >>> read_dates(pyarrow.array(["31.1.2020 12:30", "31.2.2020", None]), DateFormat.DAY_FIRST)[1]
    array([False,  True, False])

    Args:
        cells: `(N,)` text without spaces around it, numbers, dates or times; null for missing cells.
        date_format: the format of text and of numbers.

    Returns:
        `(N,)` datetime64, and `(N,)` booleans.
    """
    if types.is_temporal(cells.type) and not types.is_duration(cells.type):
        return _from_temporal(cells), np.zeros(len(cells), dtype=bool)
    if date_format in _PER_SECOND:
        return _from_epoch(cells, _PER_SECOND[date_format])
    return _from_text(cells.cast(pyarrow.string()), date_format)


def possible_date_formats(cells: pyarrow.Array) -> list[DateFormat]:
    """Return the formats in which all cells are dates. Dates whose day is 12 at most may fit two.

    Args:
        cells: distinct text without spaces around it, without nulls; at least one.
    """
    return [date_format for date_format in _PATTERNS if not read_dates(cells, date_format)[1].any()]


def epoch_format(numbers: NDArray[np.float64]) -> DateFormat | None:
    """Return the format of numbers that all are times from 1973 to 2128, counted from 1970; None if there is none.

    Args:
        numbers: without NaN; at least one.
    """
    for date_format, per_second in _PER_SECOND.items():
        if _EPOCH.start * per_second <= numbers.min() and numbers.max() < _EPOCH.stop * per_second:
            return date_format
    return None


def _from_temporal(cells: pyarrow.Array) -> Times:
    dtype = cells.type
    if types.is_timestamp(dtype):
        local = compute.local_timestamp(cells) if dtype.tz else cells
        return np.asarray(local.cast(pyarrow.timestamp("us"), safe=False))
    if types.is_time(dtype):
        microseconds = cells.cast(pyarrow.time64("us"), safe=False).cast(pyarrow.int64())
        return np.asarray(microseconds.cast(pyarrow.timestamp("us")))
    return np.asarray(cells.cast(pyarrow.timestamp("us")))


def _from_epoch(cells: pyarrow.Array, per_second: int) -> tuple[Times, NDArray[np.bool_]]:
    missing = np.asarray(cells.is_null())
    numbers = np.asarray(compute.cast(cells, pyarrow.float64(), safe=False))
    wrong = ~missing & ~(np.abs(numbers) < _EPOCH.stop * per_second)
    microseconds = np.where(missing | wrong, 0, numbers) / per_second * 1e6
    times = microseconds.astype(np.int64).astype("datetime64[us]")
    times[missing | wrong] = np.datetime64("NaT")
    return times, wrong


def _from_text(cells: pyarrow.Array, date_format: DateFormat) -> tuple[Times, NDArray[np.bool_]]:
    parts = compute.extract_regex(cells, _PATTERNS[date_format])
    found = np.array(parts.is_valid())
    fields = {field.name: parts.field(i) for i, field in enumerate(parts.type)}

    def number(name: str, default: int) -> NDArray[np.int64]:
        if name not in fields:
            return np.full(len(cells), default)
        text = fields[name].fill_null("")
        text = compute.if_else(compute.equal(text, ""), str(default), text)
        return np.asarray(compute.cast(text, pyarrow.int64()))

    year, month, day = number("year", NO_YEAR), number("month", 1), number("day", 1)
    year = np.where(year < 100, year + np.where(year < 69, 2000, 1900), year)  # as POSIX and `strptime` do
    if "name" in fields:
        names = pyarrow.array(_MONTH_NAMES, fields["name"].type)
        position = compute.index_in(compute.utf8_lower(fields["name"]), names).fill_null(0)
        month = np.array(list(_MONTH_NAMES.values()))[np.asarray(position)]
    if "quarter" in fields:
        month = 3 * number("quarter", 1) - 2
    hour, minute, second = number("hour", 0), number("minute", 0), number("second", 0)
    if "half" in fields:
        half = np.asarray(compute.utf8_lower(fields["half"]).fill_null(""))
        is_half = half != ""
        found &= ~is_half | ((hour >= 1) & (hour <= 12))
        hour = np.where(is_half, hour % 12 + 12 * (half == "p"), hour)
    found &= (month >= 1) & (month <= 12) & (day >= 1) & (hour < 24) & (minute < 60) & (second < 61)
    months = np.where(found, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + np.where(found, day - 1, 0)
    found &= days.astype("datetime64[M]") == months
    if "week" in fields:
        week = number("week", 1)
        days = _monday_of_week_1(months) + 7 * (week - 1) + number("weekday", 1) - 1
        found &= (week >= 1) & (days < _monday_of_week_1(months + 12))
    seconds = np.where(found, (hour * 60 + minute) * 60 + second, 0)
    times = days.astype("datetime64[us]") + seconds.astype("timedelta64[s]")
    times[~found] = np.datetime64("NaT")
    return times, ~found & np.asarray(cells.is_valid())


def _monday_of_week_1(years: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    """Return the first day of the first ISO week of years, given as their first months. 4 January is in that week."""
    fourth = years.astype("datetime64[D]") + 3
    return fourth - ((fourth.astype(np.int64) + 3) % 7).astype("timedelta64[D]")
