import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow
import pytest

from ebmood.detector.cells.cell_values import read_times
from ebmood.detector.cells.dates import DateFormat
from ebmood.detector.cells.time_offsets import NONE, convert, foreign_offsets, time_offsets

INSTANTS = [dt.datetime(2024, 1 + i % 12, 1 + i % 28, i % 24, i % 60, tzinfo=dt.UTC) for i in range(60)]


def written(instants: list[dt.datetime], offset: str) -> pyarrow.Array:
    """Return instants as text with an offset."""
    if offset == NONE:
        return pyarrow.array([time.strftime("%Y-%m-%d %H:%M") for time in instants])
    zone = dt.UTC if offset == "Z" else dt.datetime.strptime(offset, "%z").tzinfo
    texts = [time.astimezone(zone).isoformat() for time in instants]
    return pyarrow.array([text.replace("+00:00", "Z") if offset == "Z" else text for text in texts])


@pytest.mark.parametrize(
    ("cell", "offset"),
    [
        ("2024-05-01T08:00Z", "Z"),
        ("2024-05-01 08:00:00.25 UTC", "Z"),
        ("2024-05-01 08:00 GMT", "+00:00"),
        ("01.05.2024, 08:00 +02", "+02:00"),
        ("01/May/2024:08:00:00 -0330", "-03:30"),
        ("Wed May 1 08:00:00 +0200 2024", "+02:00"),
        ("08:00+01:00", "+01:00"),
        ("01/31/2024 08:00:00 p.m. -05:00", "-05:00"),
        ("2024-05-01", NONE),
        ("2024-05-01 08:00 PM", NONE),
        ("2024-05", NONE),
        (" ", None),
    ],
)
def test_offsets_of_text(cell, offset):
    assert time_offsets(pyarrow.array([cell])).to_pylist() == [offset]


def test_offsets_of_parquet_are_those_of_the_zone():
    for unit in ("s", "ms", "us", "ns"):
        for zone in ("Europe/Berlin", "America/St_Johns", "Asia/Kolkata"):
            cells = pyarrow.array([*INSTANTS, None], pyarrow.timestamp(unit, zone))
            expected = [time.astimezone(ZoneInfo(zone)).isoformat()[-6:] for time in INSTANTS]
            assert time_offsets(cells).to_pylist() == [*expected, None]
    assert time_offsets(pyarrow.array(INSTANTS[:1], pyarrow.timestamp("us", "UTC"))).to_pylist() == ["Z"]
    for cells in (pyarrow.array([dt.time(8)]), pyarrow.array([dt.date(2024, 1, 1)])):
        assert time_offsets(cells).to_pylist() == [NONE]
    assert time_offsets(pyarrow.array([dt.datetime(2024, 1, 1), None])).to_pylist() == [NONE, None]


@pytest.mark.parametrize(
    ("base", "offset"),
    [
        ("+02:00", "Z"),
        ("+02:00", "+05:00"),
        ("Z", "+02:00"),
        ("Z", "+01:00"),
        ("+01:00", "Z"),
        ("-03:30", "+00:00"),
    ],
)
def test_the_same_instants_are_converted_to_the_offset_of_the_training_times(base, offset):
    local = read_times(written(INSTANTS, base), DateFormat.ISO).values
    cells = written(INSTANTS, offset)
    offsets = time_offsets(cells)
    assert not foreign_offsets(offsets, [base]).any()
    converted = convert(read_times(cells, DateFormat.ISO).values, offsets, [base])
    np.testing.assert_array_equal(converted, local)


@pytest.mark.parametrize(
    ("known", "offset"),
    [
        (["+02:00"], "+01:00"),  # daylight saving time
        (["+00:00"], "+01:00"),
        (["+02:00"], NONE),
        ([NONE], "Z"),
        (["+01:00", "+02:00"], "Z"),
    ],
)
def test_the_local_clock_of_other_offsets_is_read_with_a_note(known, offset):
    cells = written(INSTANTS, offset)
    offsets = time_offsets(cells)
    assert foreign_offsets(offsets, known).all()
    local = read_times(cells, DateFormat.ISO).values
    np.testing.assert_array_equal(convert(local, offsets, known), local)


@pytest.mark.parametrize(
    ("known", "offset"), [(["Z"], "+00:00"), (["+01:00", "+02:00"], "+02:00"), ([], "+01:00")]
)
def test_known_offsets_need_no_note(known, offset):
    assert not foreign_offsets(time_offsets(written(INSTANTS, offset)), known).any()
