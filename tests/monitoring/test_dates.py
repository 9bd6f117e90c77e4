"""A detector of tables with dates: cycles change with time by nature, so they are neither watched nor tested."""

import numpy as np
import pandas as pd
import pytest
from helpers.quick_energy import QUICK

from ebmood import EnergyDetector, Monitor
from ebmood.detector.io.frame_stream import FrameStream
from ebmood.detector.raw.frame_detector import FrameDetector
from ebmood.detector.raw.table_detector import TableDetector

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
    assert not set(CYCLES) & set(Monitor(detector.estimator, unwatched=CYCLES).stream_names)


def test_calibration_rows_with_weights_are_refused():
    rows = np.random.default_rng(0).normal(size=(300, 2))
    weighted = EnergyDetector(energy=QUICK, random_state=0).fit(rows[:200])
    weighted.recalibrate(rows[200:], weights=np.ones(100))
    with pytest.raises(ValueError, match="have weights, so they are not exchangeable"):
        Monitor(weighted)
