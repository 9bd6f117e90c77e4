import warnings

import numpy as np
import pytest
from helpers.html_outline import Outline
from helpers.quick_energy import QUICK

from ebmood.detector import EnergyDetector
from ebmood.monitoring import Monitor
from ebmood.report.monitor_page import monitor_page


@pytest.fixture(scope="module")
def fitted():
    with warnings.catch_warnings(action="ignore"):
        return EnergyDetector(energy=QUICK, random_state=0).fit(
            np.random.default_rng(0).normal(size=(400, 3))
        )


def rows(seed, count):
    return np.random.default_rng(seed).normal(size=(count, 3))


def test_a_page_of_a_feed_without_an_alarm_says_so(fitted):
    monitor = Monitor(fitted)
    for seed in range(4):
        monitor.update(rows(seed + 1, 100))
    outline = Outline(monitor_page(monitor, "Feed").html())
    assert outline.text("h2") == ["Evidence over time", "Batches", "Features", "What the alarm means"]
    assert "No alarm in 400 rows." in " ".join(outline.text("p"))
    assert len(outline.all("svg")) == 3
    assert "301 to 400" in outline.text("th")


def test_a_page_of_an_alarm_names_row_batch_and_feature(fitted):
    monitor = Monitor(fitted, run_length=1000.0)
    monitor.update(rows(1, 300), "May")
    shifted = rows(2, 300)
    shifted[:, 1] += 2
    monitor.update(shifted, "June <b>")
    outline = Outline(monitor_page(monitor).html())
    (alarm,) = [text for _, attributes, text in outline.all("p") if attributes.get("class") == "alert"]
    assert f"row {monitor.alarm.row + 1} (June <b>), by the values of x1" in "".join(alarm)
    assert "x1" in outline.text("th")
    assert "Alarms with restarts" in " ".join(outline.text("caption", "summary"))
    assert not outline.all("script")
    assert "http" not in "".join(outline.text("body"))


def test_a_page_of_no_rows_and_of_many_batches(fitted):
    monitor = Monitor(fitted)
    assert "No rows were watched" in monitor_page(monitor).html()
    for seed in range(210):
        monitor.update(rows(seed, 2))
    html = monitor_page(monitor).html()
    assert "210 batches" in html
    assert len(html) < 2_000_000


def test_the_page_claims_a_bound_only_if_there_is_one(fitted):
    for unwatched, has_bound in ((), True), (("x1",), False):
        with warnings.catch_warnings(action="ignore"):
            monitor = Monitor(fitted, unwatched=unwatched, run_length=1000.0)
        monitor.update(rows(1, 100))
        text = " ".join(Outline(monitor_page(monitor).html()).text("body"))
        assert ("at most 0.01" in text) == has_bound
        assert ("on average at most one false alarm" in text) == has_bound
        assert ("without a bound" in text) == (not has_bound)
        assert ("depends on 'x1', which changes with time by nature" in text) == (not has_bound)
