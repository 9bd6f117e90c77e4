import datetime

import numpy as np
import pyarrow
import pytest

from ebmood.core.errors import InputError
from ebmood.detector.cells.dates import DateFormat
from ebmood.detector.io.table_stream import Chunk
from ebmood.monitoring.times import Interval, check_order, format_time, read_times, start_of


def chunk(values, first_row=0):
    return Chunk("feed.csv", first_row, pyarrow.RecordBatch.from_pydict({"at": pyarrow.array(values)}))


NOON = datetime.datetime(2013, 2, 23, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    "value",
    [
        NOON,
        "2013-02-23T12:00:00Z",
        "2013-02-23 12:00",
        "23.02.2013 12:00",
        "2/23/2013 12:00 PM",
        "2013/02/23 12:00:00",
        "2013-02-23T14:00:00+02:00",
        NOON.replace(tzinfo=None),
        "2013.02.23 12:00",
        "20130223T120000",
        "23.02.2013 13:00:00+0100",
        "23.02.2013 13:30 +01:30",
        "2/23/2013 7:00 AM -05:00",
        "23/Feb/2013:10:00:00 -0200",
        "Sat Feb 23 13:00:00 +0100 2013",
        "23.02.2013 12:00:00 UTC",
    ],
)
def test_one_time_in_different_notations_is_one_number(value):
    times = read_times(chunk([value]), "at")
    assert times.seconds.tolist() == [NOON.timestamp()]
    assert times.are_dates
    assert format_time(times.seconds[0]) == "2013-02-23T12:00:00Z"


def test_dates_and_numbers_are_times():
    assert read_times(chunk([NOON.date()]), "at").seconds.tolist() == [NOON.timestamp() - 12 * 3600]
    assert read_times(chunk(["2013/02/23"]), "at").seconds.tolist() == [NOON.timestamp() - 12 * 3600]
    numbers = read_times(chunk(["1", "2.5"]), "at")
    assert numbers.seconds.tolist() == [1.0, 2.5]
    assert not numbers.are_dates


def test_a_time_that_cannot_be_read_names_its_row():
    with pytest.raises(InputError, match=r"feed.csv: row 12, column 'at': 'soon' is no time"):
        read_times(chunk(["2013-02-23", "soon"], first_row=10), "at")
    with pytest.raises(InputError, match="row 12, column 'at': the time is missing"):
        read_times(chunk(["2013-02-23", None], first_row=10), "at")
    late = pyarrow.array([0, 2**62], pyarrow.timestamp("s"))
    with pytest.raises(
        InputError, match="row 12, column 'at': a date beyond the years 1 to 9999; correct it"
    ):
        read_times(chunk(late, first_row=10), "at")
    zone = pyarrow.array([0], pyarrow.timestamp("s", "Nowhere/City"))
    with pytest.raises(
        InputError, match="row 1, column 'at': a time in the zone 'Nowhere/City', which is unk"
    ):
        read_times(chunk(zone), "at")


def test_fractions_of_a_second_count():
    for text in ("2013-02-23T12:00:00.25", "23.02.2013 12:00:00,25", "23.02.2013 11:00:00.25-0100"):
        assert read_times(chunk([text]), "at").seconds.tolist() == [NOON.timestamp() + 0.25]


@pytest.mark.parametrize("written", ["%d.%m.%Y %H:%M", "%Y.%m.%d %H:%M", "%m/%d/%Y %H:%M", "%Y-%m-%d", "%s"])
@pytest.mark.parametrize("odd", ["soon", "31.31.2024", "", "  ", None])
def test_one_bad_time_is_the_one_that_is_named(written, odd):
    days = [datetime.datetime(2024, 2, day, tzinfo=datetime.UTC) for day in range(1, 29)]
    values: list = [day.strftime(written) for day in days]
    values[9] = odd
    with pytest.raises(InputError, match=r"feed.csv: row 10, column 'at': ") as error:
        read_times(chunk(values), "at")
    assert ("is missing" in str(error.value)) == (not (odd or "").strip())


def test_a_given_notation_is_kept():
    texts = ["01/02/2024", "01/03/2024"]
    first_of = [datetime.datetime(2024, month, 1, tzinfo=datetime.UTC).timestamp() for month in (2, 3)]
    assert read_times(chunk(texts), "at").seconds.tolist() == first_of
    monthly = read_times(chunk(texts), "at", DateFormat.MONTH_FIRST).seconds
    assert np.diff(monthly).tolist() == [86400]
    with pytest.raises(InputError, match="'13/01/2024' is no time like 01/31/2020"):
        read_times(chunk(["13/01/2024"]), "at", DateFormat.MONTH_FIRST)
    assert read_times(chunk(["1361620800000"]), "at", DateFormat.MILLISECONDS).seconds.tolist() == [
        NOON.timestamp()
    ]


def test_a_time_before_the_last_one_names_its_row():
    rows = chunk([1, 2, 2, 1], first_row=5)
    times = read_times(rows, "at")
    with pytest.raises(InputError, match="row 9, column 'at': 1 is earlier"):
        check_order(rows, "at", times, -np.inf)
    with pytest.raises(InputError, match="row 6"):
        check_order(rows, "at", times, 1.5)
    check_order(chunk([1, 1, 2]), "at", read_times(chunk([1, 1, 2]), "at"), 1.0)


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("1000rows", Interval(rows=1000)),
        ("1 row", Interval(rows=1)),
        ("90s", Interval(seconds=90)),
        ("30m", Interval(seconds=1800)),
        ("30 min", Interval(seconds=1800)),
        ("1H", Interval(seconds=3600)),
        ("7d", Interval(seconds=604800)),
    ],
)
def test_intervals_are_rows_or_times(text, interval):
    assert Interval.parse(text) == interval


@pytest.mark.parametrize("text", ["", "h", "0rows", "0h", "1.5h", "-1h", "1000", "1 month"])
def test_other_texts_are_no_intervals(text):
    with pytest.raises(InputError, match=r"--every .*such as 1000rows, 30m, 1h or 1d"):
        Interval.parse(text)


def test_intervals_start_at_multiples():
    assert format_time(start_of(NOON.timestamp() + 59, 60)) == "2013-02-23T12:00:00Z"
    assert format_time(start_of(NOON.timestamp(), 86400)) == "2013-02-23T00:00:00Z"
    assert start_of(-1.0, 60) == -60
