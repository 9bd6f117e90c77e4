import datetime as dt

import numpy as np
import pandas as pd
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis.strategies import timedeltas

from ebmood.detector.cells.durations import read_durations


def seconds_of(*cells: str) -> list[float]:
    values, odd = read_durations(pyarrow.array(cells))
    assert (odd == np.isnan(values)).all()
    return values.tolist()


@settings(deadline=None)
@given(timedeltas(dt.timedelta(0), dt.timedelta(days=99_999)))
def test_the_text_of_a_duration_is_read_as_this_duration(time):
    time = dt.timedelta(seconds=int(time.total_seconds()))
    total, days = time.total_seconds(), time.days
    minutes, seconds = divmod(time.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    texts = [
        str(time),
        str(pd.Timedelta(time)),
        pd.Timedelta(time).isoformat(),
        f"{24 * days + hours}:{minutes:02}:{seconds:02}",
        f"{days}.{hours:02}:{minutes:02}:{seconds:02}",
        f"{days}-{hours:02}:{minutes:02}:{seconds:02}",
        f"{days}d {hours}h {minutes}m {seconds}s",
        f"{24 * days + hours} hours, {minutes} min, {seconds},0 sec",
        f"PT{24 * days + hours}H{minutes}M{seconds}S",
        f"{int(total)}s",
        f"{int(total)}000 ms",
    ]
    assert seconds_of(*texts) == pytest.approx([total] * len(texts), rel=1e-12)
    [value], _ = read_durations(pyarrow.array([time]))
    assert value == total


def test_signs_fractions_and_short_forms():
    assert seconds_of("-0:30", "-1 days +23:59:59", "-1h", "-PT30M") == [-1800, -1, -3600, -1800]
    assert seconds_of("1:02.345", "2h05", "1w", "1.5 min", "1m2.5s") == pytest.approx(
        [62.345, 7500, 604_800, 90, 62.5], rel=1e-12
    )
    assert seconds_of("250µs", "3us", "7 ns") == pytest.approx([250e-6, 3e-6, 7e-9], rel=1e-12)


@pytest.mark.parametrize(
    "cell",
    ["", "P", "PT", "h", "5", "5:75", "1:2:3:4", "2020-01-01 12:00", "P1Y", "P1M", "5 cm", "5m 3h", "soon"],
)
def test_other_text_is_odd(cell):
    assert np.isnan(seconds_of(cell)).all()


def test_missing_cells_are_not_odd():
    values, odd = read_durations(pyarrow.array([None, "1:00"]))
    assert np.isnan(values[0])
    assert not odd.any()
