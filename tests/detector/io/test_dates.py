import datetime as dt

import numpy as np
import pyarrow
import pytest
from hypothesis import given
from hypothesis.strategies import datetimes

from ebmood.detector.io.dates import DateFormat, epoch_format, possible_formats, read_dates

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
    assert one(time.strftime("%d-%b-%Y %H:%M:%S"), DateFormat.NAMED) == time
    assert one(time.strftime("%d %B %Y"), DateFormat.NAMED) == time.replace(hour=0, minute=0, second=0)
    assert one(time.strftime("%Y%m%d%H%M%S"), DateFormat.COMPACT) == time
    if time.year >= 2000:
        assert one(time.strftime("%d.%m.%y"), DateFormat.DAY_FIRST) == time.replace(
            hour=0, minute=0, second=0
        )
    assert one(time.strftime("%Y/%m/%d")) == time.replace(hour=0, minute=0, second=0)
    assert one(time.strftime("%Y%m%d"), DateFormat.COMPACT) == dt.datetime(*time.timetuple()[:3])
    assert one(time.strftime("%H:%M:%S"), DateFormat.CLOCK).time() == time.time()


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
    assert possible_formats(pyarrow.array(["3/4/2020", "31/4/2020"])) == []
    assert possible_formats(pyarrow.array(["3/4/2020", "30/4/2020"])) == [DateFormat.DAY_FIRST]
    assert possible_formats(pyarrow.array(["3/4/2020", "4/30/2020"])) == [DateFormat.MONTH_FIRST]
    assert possible_formats(pyarrow.array(["3/4/2020"])) == [DateFormat.DAY_FIRST, DateFormat.MONTH_FIRST]
