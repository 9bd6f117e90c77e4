import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from ebmood.monitoring import Monitor


@pytest.fixture(scope="module")
def feed(tables, tmp_path_factory):
    """A folder with `normal.csv`, rows like the training rows, and `shifted.csv`, whose area is too large."""
    folder = tmp_path_factory.mktemp("feed")
    rows = pd.read_csv(tables / "fit.csv").sample(
        frac=1, random_state=0
    )  # a shuffled copy of the training rows
    rows["at"] = pd.date_range("2020-01-01", periods=len(rows), freq="10min").strftime("%Y-%m-%dT%H:%M:%SZ")
    rows.to_csv(folder / "normal.csv", index=False)
    rows["at"] = pd.date_range("2020-01-05", periods=len(rows), freq="10min").strftime("%Y-%m-%dT%H:%M:%SZ")
    rows["mean area"] *= 1.5
    rows.to_csv(folder / "shifted.csv", index=False)
    return folder


def test_without_an_alarm_the_answer_is_the_evidence_and_the_code_zero(ebmood, model, feed):
    code, out, err = ebmood("monitor", model, feed / "normal.csv", "--drop", "at", "--every", "100rows")
    assert (code, err) == (0, "")
    assert re.match(r"No alarm in 250 rows: evidence -?\d\.\d\d of 2.00 ", out)
    assert "probability that a false alarm ever occurs: at most 0.01" in out
    assert re.search(r"1 to 100 +100 ", out)
    assert re.search(r"201 to 250 +50 ", out)


def test_an_alarm_says_since_when_and_which_features(ebmood, model, feed):
    paths = feed / "normal.csv", feed / "shifted.csv"
    code, out, err = ebmood("monitor", model, *paths, "--time", "at", "--every", "12h")
    assert code == 1
    assert re.fullmatch(r"alarm: row \d+ \(2020-01-05T\d\d:00:00Z\), by .*\n", err)
    first, second = out.splitlines()[:2]
    row = int(re.match(r"Alarm at row (\d+) ", first)[1])
    began = int(re.search(r"began at row (\d+) ", first)[1])
    assert 250 < row < 300
    assert abs(began - 251) < 15
    assert second.startswith("Features that differ since then: mean area (in ")
    assert "2020-01-01T12:00:00Z" in out


def test_the_result_is_that_of_the_monitor_in_python(ebmood, model, feed, tmp_path):
    from helpers.cell_tables import prepare

    code, out, _ = ebmood(
        "monitor",
        model,
        feed / "shifted.csv",
        "--drop",
        "at",
        "--json",
        "--delta",
        "0.05",
        "--run-length",
        500,
    )
    result = json.loads(out)
    assert code == 1
    x, estimator = prepare(model, pd.read_csv(feed / "shifted.csv"))
    monitor = Monitor(estimator, 0.05, run_length=500)
    state = monitor.update(x)
    assert result["log_evidence"] == state.log_evidence
    assert result["alarm"]["row"] == state.alarm.row + 1
    assert len(result["restarted"]) == len(state.restarted) > 0
    assert result["batches"][0]["drifted"] == list(state.batch.drifted)
    assert result["batches"][0]["first_row"] == 1


def test_the_same_command_continues_a_feed_that_grew(ebmood, model, feed, tmp_path):
    lines = (feed / "shifted.csv").read_text().splitlines(keepends=True)
    growing, state = tmp_path / "feed.csv", tmp_path / "feed.monitor"
    words = ("monitor", model, growing, "--drop", "at", "--every", "20rows", "--state", state, "--json")
    for rows in (60, 60, 200):
        growing.write_text("".join(lines[: rows + 1]))
        code, out, err = ebmood(*words)
        assert code == 1, err
        assert json.loads(out)["rows"] == rows
    whole = ebmood("monitor", model, growing, "--drop", "at", "--every", "20rows", "--json")[1]
    assert json.loads(whole) == json.loads(out)


def test_a_page_shows_the_course_the_batches_and_the_features(ebmood, model, feed, tmp_path):
    page = tmp_path / "page.html"
    code, _, err = ebmood(
        "monitor", model, feed / "shifted.csv", "--time", "at", "--every", "6h", "--page", page
    )
    assert code == 1
    assert f"{page}: written" in err
    html = page.read_text()
    assert html.count("<svg") == 3
    assert "2020-01-05T06:00:00Z" in html


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--every", "1h"], "--every with a time needs the column of times; name it with --time"),
        (["--every", "often"], "give a number of rows or a time"),
        (["--delta", "2"], "--delta 2.0"),
        (["--time", "when"], "--time when: no such column"),
        ([], r"column 'at' was not in the training data .*--drop at"),
    ],
)
def test_invalid_options_are_refused_in_one_line(ebmood, model, feed, tmp_path, words, reason):
    state = tmp_path / "state"
    code, out, err = ebmood("monitor", model, feed / "normal.csv", "--state", state, *words)
    assert (code, out) == (2, "")
    assert re.search(reason, err)
    assert err.count("\n") == 1
    assert not state.exists()


def test_a_state_keeps_its_settings_and_its_detector(ebmood, model, tables, feed, tmp_path):
    state = tmp_path / "state"
    words = ("monitor", model, feed / "normal.csv", "--drop", "at", "--state", state)
    assert ebmood(*words, "--delta", "0.05")[0] == 0
    before = state.read_bytes()
    code, _, err = ebmood(*words, "--delta", "0.01")
    assert code == 2
    assert "was started with --delta 0.05" in err
    assert (
        ebmood("monitor", model, tables / "in.csv", "--state", state, "--reference", tables / "in.csv")[0]
        == 2
    )
    other = tmp_path / "other"
    ebmood("fit", tables / "in.csv", "-o", other, "--drop", "id", "--category", "site")
    code, _, err = ebmood("monitor", other, feed / "normal.csv", "--drop", "at", "--state", state)
    assert code == 2
    assert "belongs to another detector" in err
    assert state.read_bytes() == before


def test_rows_out_of_order_name_the_row_and_leave_the_state(ebmood, model, feed, tmp_path):
    state = tmp_path / "state"
    paths = feed / "shifted.csv", feed / "normal.csv"
    code, _, err = ebmood("monitor", model, *paths, "--time", "at", "--state", state)
    assert code == 2
    assert re.search(r"normal.csv: row 1, column 'at': 2020-01-01T00:00:00Z is earlier", err)
    assert not state.exists()


@pytest.mark.slow
def test_standard_input_and_ctrl_c(model, feed, tmp_path):
    text = pd.read_csv(feed / "normal.csv").drop(columns="at").to_csv(index=False)
    words = [sys.executable, "-m", "ebmood", "monitor", model, "-", "--every", "50rows"]
    done = subprocess.run(words, input=text.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"No alarm in 250 rows")
    state = tmp_path / "state"
    process = subprocess.Popen(
        [*words, "--state", state], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdin.write(text.encode())
    process.stdin.flush()
    time.sleep(8)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == b""
    assert b"ebmood: interrupted; " in err


def test_reference_rows_replace_the_rows_of_the_detector(ebmood, model, tables, feed):
    words = ("monitor", model, feed / "normal.csv", "--drop", "at", "--json")
    with_them = json.loads(ebmood(*words, "--reference", tables / "fit.csv")[1])
    without = json.loads(ebmood(*words)[1])
    assert not np.allclose(with_them["batches"][0]["p_values"], without["batches"][0]["p_values"])


@pytest.mark.filterwarnings("default::ebmood.core.errors.DataWarning")
def test_without_a_bound_the_answer_claims_none(ebmood, tmp_path):
    rng = np.random.default_rng(0)
    times = pd.date_range("2019-01-01", "2022-12-31", freq="D")
    table = pd.DataFrame(
        {"at": times, "flow": rng.normal(size=len(times)), "load": rng.normal(size=len(times))}
    )
    table.to_csv(tmp_path / "fit.csv", index=False)
    table[:200].assign(at=times[:200] + pd.Timedelta(days=1461)).to_csv(tmp_path / "feed.csv", index=False)
    code, _, err = ebmood("fit", tmp_path / "fit.csv", "-o", tmp_path / "model", "--speed", "fast")
    assert code == 0
    assert "month" in err
    watch = ("monitor", tmp_path / "model", tmp_path / "feed.csv", "--run-length", 1000)
    code, out, err = ebmood(*watch)
    assert "no bound on false alarms holds: the score depends on 'at (sine of month)'" in err
    assert "--drop" in err
    assert "(the probability of a false alarm has no bound)" in out
    assert "at most" not in out
    _, out, _ = ebmood(*watch, "--json")
    result = json.loads(out)
    assert result["has_bound"] is False
    assert "at (sine of month)" in result["no_bound"]
