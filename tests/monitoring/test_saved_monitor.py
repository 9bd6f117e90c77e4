import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers.quick_energy import QUICK
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from ebmood import load
from ebmood.core.errors import EbmoodError, InputError
from ebmood.detector import EnergyDetector
from ebmood.monitoring import Monitor, saved_monitor

KILLED = """
import os, signal, sys
import numpy as np
from ebmood import load
from ebmood.monitoring import Monitor
model, state, feed, kill_at = sys.argv[1], sys.argv[2], np.load(sys.argv[3]), int(sys.argv[4])
detector = load(model)
monitor = Monitor.load(state, detector) if os.path.exists(state) else Monitor(detector, run_length=2000.0)
while monitor.rows < len(feed):
    monitor.update(feed[monitor.rows : monitor.rows + 100], str(monitor.rows))
    if monitor.rows == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    monitor.save(state)
"""


def test_a_loaded_monitor_continues_with_the_same_bits(tmp_path, detector, rows):
    monitor = Monitor(detector, 0.05, run_length=1000.0, pool_rows=1200, random_state=3)
    monitor.update(rows(1, 700), "a")
    monitor.save(tmp_path / "state", {"place": [1, None]})
    loaded = Monitor.load(tmp_path / "state", detector)
    assert loaded.notes == {"place": [1, None]}
    assert loaded.settings == monitor.settings
    assert loaded.state == monitor.state
    for seed in (2, 3):
        assert loaded.update(rows(seed, 900) * 1.2, "b") == monitor.update(rows(seed, 900) * 1.2, "b")
    assert loaded.restarted == monitor.restarted != ()
    assert loaded.restarts == monitor.restarts
    assert loaded.batches == monitor.batches
    np.testing.assert_array_equal(loaded.martingale.log_wealth, monitor.martingale.log_wealth)


def test_a_monitor_continues_with_a_detector_that_was_saved_and_loaded(tmp_path, detector, rows):
    detector.save(tmp_path / "model")
    monitor = Monitor(detector)
    monitor.update(rows(1, 300))
    monitor.save(tmp_path / "state")
    assert Monitor.load(tmp_path / "state", load(tmp_path / "model")).state == monitor.state


def test_given_reference_rows_are_saved(tmp_path, detector, rows):
    monitor = Monitor(detector, reference=rows(5, 200))
    monitor.update(rows(1, 300))
    monitor.save(tmp_path / "state")
    loaded = Monitor.load(tmp_path / "state", detector)
    assert loaded.update(rows(2, 300)) == monitor.update(rows(2, 300))


@pytest.mark.slow
def test_a_killed_process_continues_with_the_same_bits(tmp_path, detector, rows):
    detector.save(tmp_path / "model")
    feed = rows(9, 1000)
    feed[600:, 0] += 1
    np.save(tmp_path / "feed.npy", feed)
    words = [sys.executable, "-c", KILLED, tmp_path / "model"]
    source = Path(__file__).parents[2] / "src"
    environment = os.environ | {"PYTHONPATH": str(source)}
    for kill_at in (300, 800, -1):
        state = tmp_path / "state"
        done = subprocess.run(
            [*words, state, tmp_path / "feed.npy", str(kill_at)], env=environment, check=False
        )
        assert done.returncode == (-signal.SIGKILL if kill_at > 0 else 0)
    subprocess.run([*words, tmp_path / "whole", tmp_path / "feed.npy", "-1"], env=environment, check=True)
    killed = Monitor.load(tmp_path / "state", detector)
    whole = Monitor.load(tmp_path / "whole", detector)
    assert killed.state == whole.state
    assert killed.batches == whole.batches
    assert killed.alarm is not None
    np.testing.assert_array_equal(killed.martingale.log_wealth, whole.martingale.log_wealth)
    assert killed.update(feed) == whole.update(feed)


def test_the_state_of_another_detector_is_refused(tmp_path, detector, rows):
    with warnings.catch_warnings(action="ignore"):
        other = EnergyDetector(energy=QUICK, random_state=1).fit(rows(0, 800))
    Monitor(detector).save(tmp_path / "state")
    with pytest.raises(InputError, match="belongs to another detector"):
        Monitor.load(tmp_path / "state", other)


def change_array(path):
    arrays = load_file(path)
    arrays["log_ratio"] = arrays["log_ratio"] + 1
    metadata = _metadata(path)
    save_file(arrays, path, metadata)


def change_text(path):
    metadata = _metadata(path)
    metadata["monitor"] = metadata["monitor"].replace('"delta":0.01', '"delta":0.02')
    save_file(load_file(path), path, metadata)


def _metadata(path):
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        return dict(file.metadata())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (change_array, "SHA-256 differs"),
        (change_text, "SHA-256 differs"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "truncated"),
        (lambda path: path.write_text("{}"), "not a saved monitor"),
        (lambda path: save_file({"x": np.zeros(1)}, path), "not a monitor of this version"),
        (lambda path: path.unlink(), "no such file"),
    ],
)
def test_a_changed_or_truncated_file_is_refused(tmp_path, detector, change, reason):
    path = tmp_path / "state"
    Monitor(detector).save(path)
    change(path)
    with pytest.raises(EbmoodError, match=reason) as error:
        Monitor.load(path, detector)
    assert "\n" not in str(error.value)


def test_a_failed_save_leaves_the_old_file(tmp_path, detector, rows):
    monitor = Monitor(detector)
    monitor.save(tmp_path / "state")
    before = (tmp_path / "state").read_bytes()
    monitor.update(rows(1, 10))
    with pytest.raises(EbmoodError):
        monitor.save(tmp_path / "state" / "below")
    assert (tmp_path / "state").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_file_of_the_first_format_continues(tmp_path, detector, rows):
    """It has neither strata nor cycles, and may have names of features that do not exist."""
    monitor = Monitor(detector)
    monitor.update(rows(1, 300))
    monitor.save(tmp_path / "state")
    arrays = load_file(tmp_path / "state")
    del arrays["pool_sizes"], arrays["pool_feed_rows"]
    with safe_open(tmp_path / "state", framework="np") as file:
        content = json.loads(file.metadata()["monitor"])
    del content["settings"]["cycles"]
    content["settings"]["unwatched"] = ["typo"]
    text = json.dumps(content)
    metadata = {"format": "ebmood-monitor-1", "monitor": text, "sha256": saved_monitor._digest(text, arrays)}
    save_file(arrays, tmp_path / "old", metadata)
    old = Monitor.load(tmp_path / "old", detector)
    assert old.has_bound
    assert old.update(rows(2, 300)) == monitor.update(rows(2, 300))
    old.save(tmp_path / "new")
    assert Monitor.load(tmp_path / "new", detector).state == monitor.state
