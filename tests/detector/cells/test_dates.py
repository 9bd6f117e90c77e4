import datetime as dt

import numpy as np
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis.strategies import datetimes

from ebmood.detector.cells.dates import DateFormat, epoch_format, possible_date_formats, read_dates

DATES = datetimes(dt.datetime(1900, 1, 1), dt.datetime(2099, 12, 31))


def one(cell: object, style: DateFormat = DateFormat.ISO, kind=None) -> dt.datetime:
    [time] = read_dates(pyarrow.array([cell], kind), style)[0]
    return time.item()


@given(DATES)
def test_the_text_of_a_date_is_read_as_this_date(time):
    time = time.replace(microsecond=0)
    assert one(time.isoformat()) == time
    assert one(time.isoformat(" ") + "+02:00") == time  # as it is written, in local time
    assert one(time.strftime("%d.%m.%Y %H:%M:%S"), DateFormat.DAY_FIRST) == time
    assert one(time.strftime("%m/%d/%Y %I:%M:%S %p"), DateFormat.MONTH_FIRST) == time
    assert one(time.strftime("%d.%m.%Y, %H:%M:%S Uhr"), DateFormat.DAY_FIRST) == time
    assert one(time.strftime("%d-%b-%Y %H:%M:%S"), DateFormat.NAMED) == time
    assert one(time.strftime("%d %B %Y"), DateFormat.NAMED) == time.replace(hour=0, minute=0, second=0)
    assert one(time.strftime("%Y%m%d%H%M%S"), DateFormat.COMPACT) == time
    for text, style in (
        (time.strftime("%d.%m.%y"), DateFormat.DAY_FIRST),
        (time.strftime("%d %b %y"), DateFormat.NAMED),
    ):
        assert one(text, style) == dt.datetime.strptime(time.strftime("%d.%m.%y"), "%d.%m.%y")
    assert one(time.strftime("%Y/%m/%d")) == time.replace(hour=0, minute=0, second=0)
    assert one(time.strftime("%Y%m%d"), DateFormat.COMPACT) == dt.datetime(*time.timetuple()[:3])
    assert one(time.strftime("%H:%M:%S"), DateFormat.CLOCK).time() == time.time()


@settings(deadline=None)
@given(DATES)
def test_dates_of_logs_and_reports(time):
    time = time.replace(microsecond=0)
    day, month = time.replace(hour=0, minute=0, second=0), dt.datetime(time.year, time.month, 1)
    assert one(time.strftime("%d/%b/%Y:%H:%M:%S +0100"), DateFormat.SERVER) == time
    assert one(time.strftime("%a, %d %b %Y %H:%M:%S GMT"), DateFormat.NAMED) == time
    assert one(time.strftime("%d%b%Y:%H:%M:%S"), DateFormat.SERVER) == time
    assert one(time.strftime("%B %d, %Y"), DateFormat.NAMED_MONTH_FIRST) == day
    assert one(time.strftime("%b %d, %Y, %I:%M:%S %p"), DateFormat.NAMED_MONTH_FIRST) == time
    assert one(time.strftime("%a %b %d %H:%M:%S %Y"), DateFormat.LOG) == time
    assert one(time.strftime("%a %b %e %H:%M:%S UTC %Y"), DateFormat.LOG) == time
    assert one(time.strftime("%b %e %H:%M:%S"), DateFormat.LOG) == time.replace(year=2000)
    assert one(time.strftime("%Y-%m"), DateFormat.MONTH) == month
    assert one(time.strftime("%m/%Y"), DateFormat.MONTH_AND_YEAR) == month
    assert one(time.strftime("%B %Y"), DateFormat.NAMED_MONTH) == month
    short = time.strftime("%b-%y")
    assert one(short, DateFormat.SHORT_MONTH) == dt.datetime.strptime(short, "%b-%y")
    quarter = dt.datetime(time.year, 3 * ((time.month - 1) // 3) + 1, 1)
    assert one(f"Q{(time.month + 2) // 3} {time.year}", DateFormat.QUARTER) == quarter
    assert one(f"{time.year}-Q{(time.month + 2) // 3}", DateFormat.YEAR_AND_QUARTER) == quarter
    year, week, weekday = time.isocalendar()
    if 1900 <= year < 2100:
        assert one(f"{year}-W{week:02}-{weekday}", DateFormat.WEEK) == day
        assert one(f"{year}-W{week:02}", DateFormat.WEEK) == dt.datetime.fromisocalendar(year, week, 1)


@pytest.mark.parametrize(
    ("cell", "month"),
    [
        ("31. Januar 2020", 1),
        ("3. Mär. 2020", 3),
        ("5 maj 2020", 5),
        ("4 juin 2020", 6),
        ("1 juil. 2020", 7),
        ("2 août 2020", 8),
        ("5 ott 2020", 10),
        ("12 de dezembro de 2020", 12),
        ("9 DEC 2020", 12),
    ],
)
def test_names_of_months_in_several_languages(cell, month):
    assert one(cell, DateFormat.NAMED).month == month


@pytest.mark.parametrize(
    "cells",
    [
        ["2020-W54"],
        ["2021-W53"],
        ["2020-W00"],
        ["Q5 2020"],
        ["2020-13"],
        ["Set 12"],
        ["2020"],
        ["12"],
        ["Gen 10"],
    ],
)
def test_what_is_no_month_week_or_quarter(cells):
    assert possible_date_formats(pyarrow.array(cells)) == []


@given(DATES)
def test_dates_of_parquet_are_those_of_text(time):
    expected = one(time.isoformat()).replace(microsecond=0)
    for unit in ("s", "ms", "us", "ns"):
        assert one(time, kind=pyarrow.timestamp(unit)).replace(microsecond=0) == expected
    assert one(time.date()) == dt.datetime(*time.timetuple()[:3])
    zone = pyarrow.timestamp("us", "+02:00")
    utc = time.replace(tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert one(utc, kind=zone).replace(microsecond=0) == expected


def test_numbers_count_from_1970():
    time = dt.datetime(2020, 1, 31, 12, 30)
    seconds = time.replace(tzinfo=dt.UTC).timestamp()
    for style, factor in (("SECONDS", 1), ("MILLISECONDS", 1e3), ("MICROSECONDS", 1e6), ("NANOSECONDS", 1e9)):
        assert one(seconds * factor, DateFormat[style]) == time
        assert epoch_format(np.array([seconds * factor])) == DateFormat[style]
    assert epoch_format(np.array([12.0, seconds])) is None


def test_times_of_the_day():
    assert one(dt.time(12, 30)).time() == one("12:30", DateFormat.CLOCK).time() == dt.time(12, 30)
    assert one("12:30 am", DateFormat.CLOCK).time() == dt.time(0, 30)


@pytest.mark.parametrize(
    "cell", ["2021-02-29", "2021-13-01", "2021-00-10", "2021-01-32", "2021-01-01 24:00", "x", "1"]
)
def test_what_is_not_a_date_is_odd(cell):
    times, odd = read_dates(pyarrow.array([cell, None]), DateFormat.ISO)
    assert odd.tolist() == [True, False]
    assert np.isnat(times).all()


def test_the_order_of_day_and_month_is_that_of_the_whole_column():
    assert possible_date_formats(pyarrow.array(["3/4/2020", "31/4/2020"])) == []
    assert possible_date_formats(pyarrow.array(["3/4/2020", "30/4/2020"])) == [DateFormat.DAY_FIRST]
    assert possible_date_formats(pyarrow.array(["3/4/2020", "4/30/2020"])) == [DateFormat.MONTH_FIRST]
    assert possible_date_formats(pyarrow.array(["3/4/2020"])) == [
        DateFormat.DAY_FIRST,
        DateFormat.MONTH_FIRST,
    ]
