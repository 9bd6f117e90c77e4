"""A monitor is unchanged after every error in an argument."""

import copy
import datetime
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ebmood.core.errors import EbmoodError, InputError
from ebmood.detector.score_batch import ScoreBatch
from ebmood.monitoring import Monitor
from ebmood.monitoring.arguments import check_scored, read_label, read_values


def contents(monitor: Monitor) -> dict:
    return copy.deepcopy(
        {
            "rows": monitor.rows,
            "batches": monitor.batches,
            "state": monitor.state,
            "evidence": monitor.log_evidence.tolist(),
            "wealth": monitor.martingale.log_wealth.tolist(),
            "restart": monitor.restart and monitor.restart.log_statistics.tolist(),
            "pools": [pool.values().tolist() for pool in monitor.pools],
            "generator": monitor.generator.bit_generator.state,
        }
    )


BAD_LABELS = [[], ["a"], {}, object(), b"a", ("a",), float, "\ud800", np.zeros(2), pd.DataFrame()]


@pytest.fixture
def monitor(detector, rows) -> Monitor:
    monitor = Monitor(detector, run_length=1000.0)
    monitor.update(rows(1, 150))
    return monitor


@pytest.mark.parametrize("label", BAD_LABELS, ids=lambda label: type(label).__name__)
def test_a_bad_label_is_refused_in_one_line(monitor, detector, rows, label):
    before, batch = contents(monitor), detector.score_batch(rows(2, 50))
    for update in (
        lambda: monitor.update(rows(2, 50), label),
        lambda: monitor.update_scored(batch, rows(2, 50), label),
    ):
        with pytest.raises(InputError, match=r"^label: [^\n]*$"):
            update()
    assert contents(monitor) == before


@pytest.mark.parametrize(
    "x",
    [
        None,
        3,
        "rows",
        [[1, 2]],
        [[1, 2, 3, "a"]],
        np.full((5, 4), np.inf),
        np.zeros((5, 3)),
        np.zeros(4),
        np.full((3, 4), 1j),
        pd.DataFrame({"a": [1.0]}),
        object(),
        (row for row in np.zeros((3, 4))),
    ],
    ids=lambda x: type(x).__name__,
)
def test_bad_rows_leave_the_monitor_unchanged(monitor, x):
    before = contents(monitor)
    with pytest.raises((EbmoodError, TypeError, ValueError)):
        monitor.update(x, "bad")
    assert contents(monitor) == before


def test_bad_scores_and_values_leave_the_monitor_unchanged(monitor, detector, rows):
    x = rows(2, 50)
    good = detector.score_batch(x)
    gap = np.where(np.arange(50) == 7, np.nan, good.scores)
    infinite = x.copy()
    infinite[3, 1] = np.inf
    bad = [
        (replace(good, scores=gap), x, "row 7 has no score"),
        (replace(good, flags=good.flags[:10]), x, "one score and one flag"),
        (replace(good, scores=good.scores[:, None]), x, "one score and one flag"),
        (good, None, "features of these rows are watched"),
        (good, x[:, :3], "give 50 rows of 4 features"),
        (good, x[:49], "give 50 rows of 4 features"),
        (good, infinite, "row 3, column 1: is infinite"),
        (good, np.full((50, 4), "a"), "not all are numbers"),
    ]
    before = contents(monitor)
    for batch, values, message in bad:
        with pytest.raises(InputError, match=message):
            monitor.update_scored(batch, values)
        assert contents(monitor) == before
    assert monitor.update_scored(good, x).rows == 200


@pytest.mark.parametrize(
    ("label", "text"),
    [
        (3, "3"),
        (np.int64(3), "3"),
        (0.5, "0.5"),
        ("Monday", "Monday"),
        (pd.Timestamp("2024-01-31 12:00"), "2024-01-31 12:00:00"),
        (np.datetime64("2024-01-31"), "2024-01-31"),
        (datetime.datetime(2024, 1, 31), "2024-01-31 00:00:00"),
        (None, None),
    ],
)
def test_numbers_and_times_are_labels(monitor, rows, label, text):
    assert read_label(label) == text
    assert monitor.update(rows(2, 30), label).batch.label == text


def test_scores_and_values_are_checked():
    check_scored(ScoreBatch(np.zeros(2), np.ones(2), np.zeros(2, bool)))
    assert read_values([[1, 2], [np.nan, 4]], 2, 2).dtype == np.float64
