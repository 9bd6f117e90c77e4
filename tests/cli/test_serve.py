"""`ebmood serve` as a process: it answers, and it stops when it is asked to."""

import json
import signal
import socket
import subprocess
import sys
import time

import httpx
import numpy as np
import pytest

from ebmood import EnergyDetector, Monitor
from ebmood import load as ebmood_load
from ebmood.detector.raw.frame_detector import FrameDetector
from ebmood.detector.raw.table_detector import TableDetector


@pytest.fixture
def served(model, tmp_path):
    """Start the service on a free port, and yield its process and its address."""
    words = [sys.executable, "-m", "ebmood", "serve", str(model), "--port", "0", "--max-rows", "100"]
    words += ["--monitor", str(tmp_path / "feed.monitor")]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    line = process.stderr.readline()
    assert "served at http://127.0.0.1:" in line, line + process.stderr.read()
    yield process, line.split("served at ")[1].split(",")[0]
    process.kill()
    process.wait()
    process.stderr.close()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_service_answers_and_stops(ebmood, served, model, number, tmp_path):
    process, address = served
    deadline = time.monotonic() + 30
    while True:
        try:
            assert httpx.get(f"{address}/health").json()["status"] == "ok"
            break
        except httpx.ConnectError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    inspected = json.loads(ebmood("inspect", model, "--json")[1])
    assert httpx.get(f"{address}/model").json() == inspected
    row = {"mean radius": 12.0, "mean texture": 15.0, "mean area": 450.0, "site": "Oslo"}
    (result,) = httpx.post(f"{address}/score", json={"rows": [row]}).json()["results"]
    assert 0 < result["p_value"] <= 1
    assert httpx.post(f"{address}/score", json={"rows": [row] * 101}).status_code == 413
    watched = httpx.get(f"{address}/monitor").json()
    assert (watched["rows"], watched["waiting"], watched["alarm"]) == (0, 1, None)
    process.send_signal(number)
    assert process.wait(timeout=30) == 0
    assert process.stderr.read().splitlines() == ["ebmood: stopped"]
    assert Monitor.load(tmp_path / "feed.monitor", ebmood_load(model)).rows == 1


def test_a_port_in_use_is_one_line(ebmood, model):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, _, err = ebmood("serve", model, "--port", port)
    assert code == 2
    assert err.startswith(f"ebmood: error: 127.0.0.1:{port}: cannot be used (Address already in use")
    assert len(err.splitlines()) == 1


def test_a_missing_extra_is_named_with_its_brackets(ebmood, model, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    monkeypatch.delitem(sys.modules, "ebmood.serving.app", raising=False)
    monkeypatch.delitem(sys.modules, "ebmood.serving.bodies", raising=False)
    code, _, err = ebmood("serve", model)
    assert (code, err) == (
        2,
        "ebmood: error: serve: needs fastapi and uvicorn; pip install 'ebmood[serve]'\n",
    )


def test_a_detector_of_arrays_has_numbered_columns(tmp_path):
    rows = np.random.default_rng(0).normal(size=(100, 2))
    estimator = EnergyDetector(random_state=0).fit(rows)
    estimator.save(tmp_path / "model")
    detector = FrameDetector.of_named_columns(TableDetector.load(tmp_path / "model"))
    scores = detector.score_samples([{"x1": b, "x0": a} for a, b in rows[:5].tolist()])
    np.testing.assert_array_equal(scores, estimator.score_samples(rows[:5]))
