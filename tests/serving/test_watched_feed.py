import numpy as np
import pyarrow
import pytest
from helpers.quick_energy import QUICK

from ebmood import EnergyDetector, Monitor
from ebmood.serving.watched_feed import BATCH_ROWS, WatchedFeed

RNG = np.random.default_rng(0)


def table(rows: np.ndarray) -> pyarrow.Table:
    return pyarrow.table({"a": rows[:, 0], "b": rows[:, 1]})


@pytest.fixture(scope="module")
def detector():
    return EnergyDetector(energy=QUICK, random_state=0).fit(table(RNG.normal(size=(400, 2))))


def test_rows_wait_for_a_batch_and_the_state_outlives_the_service(detector, tmp_path):
    rows = RNG.normal(size=(BATCH_ROWS + 50, 2))
    feed = WatchedFeed(Monitor(detector), tmp_path / "feed.monitor")
    for row in rows:
        feed.update(table(row[None]))
    assert (feed.state.rows, feed.state.waiting) == (BATCH_ROWS, 50)
    assert feed.state.alarm is None
    feed.close()
    again = Monitor.load(tmp_path / "feed.monitor", detector)
    assert again.rows == len(rows)
    expected = Monitor(detector)
    expected.update(table(rows))
    assert again.state.log_evidence == expected.state.log_evidence


def test_a_change_is_reported(detector, tmp_path):
    feed = WatchedFeed(Monitor(detector), tmp_path / "feed.monitor")
    for _ in range(5):
        feed.update(table(RNG.normal(3, 1, size=(BATCH_ROWS, 2))))
    assert feed.state.log_evidence >= feed.state.log_threshold
    assert feed.state.alarm is not None
    assert set(feed.state.drifted) == {"a", "b"}
