"""A detector of tables with dates: cycles change with time by nature, so rows are ranked within hours and weekdays."""

import copy

import numpy as np
import pandas as pd
import pytest
from helpers.quick_energy import QUICK

from ebmood import EnergyDetector, Monitor
from ebmood.core.errors import DataWarning
from ebmood.detector.io.frame_stream import FrameStream
from ebmood.detector.raw.frame_detector import FrameDetector
from ebmood.detector.raw.table_detector import TableDetector
from ebmood.monitoring.strata import cycles_of

CYCLES = (
    "time (sine of hour)",
    "time (cosine of hour)",
    "time (sine of weekday)",
    "time (cosine of weekday)",
)


def feed(start: str, rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    times = pd.date_range(start, periods=rows, freq="h")
    return pd.DataFrame({"time": times, "flow": rng.normal(size=rows), "power": rng.normal(size=rows)})


@pytest.fixture(scope="module")
def detector() -> FrameDetector:
    shuffled = feed("2024-01-01", 1000, 0).sample(frac=1, random_state=0)
    table = TableDetector.fit(EnergyDetector(energy=QUICK, random_state=0), FrameStream(shuffled))
    return FrameDetector(table)


def test_cycles_of_dates_are_not_watched(detector, tmp_path):
    assert detector.date_features == CYCLES
    monitor = Monitor(detector)
    assert set(monitor.stream_names) == {"score", "flow", "power"}
    state = monitor.update(feed("2024-06-01", 9, 1))  # nine hours of one morning
    assert not set(state.batch.drifted) & set(CYCLES)
    by_name = dict(zip(monitor.feature_names, state.batch.p_values, strict=True))
    assert [by_name[name] for name in CYCLES] == [1.0] * 4
    monitor.save(tmp_path / "m")
    again = Monitor.load(tmp_path / "m", detector)
    assert again.stream_names == monitor.stream_names
    later = feed("2024-06-02", 50, 2)
    assert again.update(later) == monitor.update(later)


def test_the_estimator_alone_watches_them_unless_they_are_named(detector):
    assert set(CYCLES) <= set(Monitor(detector.estimator).stream_names)
    cycles = cycles_of(detector.table_detector.preparation)
    monitor = Monitor(detector.estimator, cycles=cycles)
    assert monitor.stream_names == ("score", "flow", "power")
    assert monitor.has_bound
    assert monitor.settings == Monitor(detector).settings


def by_clock(start: str, rows: int, seed: int) -> pd.DataFrame:
    """Rows of one column with a day and a week, every ten minutes."""
    frame = feed(start, rows, seed)
    times = pd.date_range(start, periods=rows, freq="10min")
    day = 3 * np.sin(2 * np.pi * (times.hour + times.minute / 60) / 24) + (times.day_of_week >= 5)
    return frame.assign(time=times, flow=frame["flow"] + day)


@pytest.fixture(scope="module")
def clock_detector() -> FrameDetector:
    table = FrameStream(by_clock("2024-01-01", 4032, 0))
    return FrameDetector(TableDetector.fit(EnergyDetector(energy=QUICK, random_state=0), table))


def test_a_feed_that_follows_the_clock_gives_no_alarm_and_a_shift_does(clock_detector):
    monitor = Monitor(clock_detector)
    assert monitor.has_bound
    assert monitor.strata.count == 24 * 7 + 1
    rows = by_clock("2024-01-29", 1800, 1)
    assert monitor.update(rows[:1500]).alarm is None
    alarm = monitor.update(rows[1500:].assign(power=rows["power"] + 1)).alarm
    assert alarm is not None
    assert alarm.stream == "power"
    assert 1500 < alarm.row < 1700
    with pytest.warns(DataWarning, match=r"no bound .* depends on 'time \(sine of hour\)'"):
        without = Monitor(clock_detector.estimator, unwatched=CYCLES)
    assert not without.has_bound
    assert without.update_scored(*scored(clock_detector, rows[:200])).alarm is not None  # the first dusk


def scored(detector: FrameDetector, rows: pd.DataFrame):
    values = next(iter(detector.table_detector.encoded_rows(FrameStream(rows))))[1]
    return detector.score_batch(rows), values


def test_no_bound_holds_with_other_features_that_change_by_nature(detector):
    with pytest.warns(DataWarning, match="depends on 'flow', which changes with time by nature"):
        monitor = Monitor(detector, unwatched=["flow"])
    assert not monitor.has_bound
    assert "X.drop" in monitor.no_bound
    prototypes = copy.copy(detector.estimator)
    prototypes.calibration_rows_ = None
    with pytest.warns(DataWarning, match="holds no calibration rows of each hour"):
        monitor = Monitor(prototypes, cycles=cycles_of(detector.table_detector.preparation))
    assert not monitor.has_bound
    assert monitor.strata.count == 1


def test_cuts_of_the_feed_and_saved_states_do_not_change_the_results(clock_detector, tmp_path):
    rows = by_clock("2024-01-29", 400, 3)
    whole, parts = Monitor(clock_detector, pool_rows=1000), Monitor(clock_detector, pool_rows=1000)
    expected = whole.update(rows)
    for start in range(0, 400, 130):
        parts.update(rows[start : start + 130])
        parts.save(tmp_path / "m")
        parts = Monitor.load(tmp_path / "m", clock_detector)
        assert parts.has_bound
    assert parts.state.log_evidence == expected.log_evidence
    later = by_clock("2024-02-05", 50, 4)
    assert parts.update(later).log_evidence == whole.update(later).log_evidence


def test_calibration_rows_with_weights_are_refused():
    rows = np.random.default_rng(0).normal(size=(300, 2))
    weighted = EnergyDetector(energy=QUICK, random_state=0).fit(rows[:200])
    weighted.recalibrate(rows[200:], weights=np.ones(100))
    with pytest.raises(ValueError, match="have weights, so they are not exchangeable"):
        Monitor(weighted)
