import json
import sys

import pytest

from ebmood.core.errors import EbmoodError
from ebmood.training import MetricsFile, Progress, TensorBoard, check_tensorboard


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_metrics_file_has_one_line_per_point_and_per_rollback(tmp_path):
    report = MetricsFile(tmp_path / "metrics" / "key.jsonl")
    report(Progress(10, 40, {"energy/loss": 0.5, "energy/rate": 1e-3}))
    event = "energy/loss is nan at step 17; rolled back to step 0"
    report(Progress(17, 40, {"energy/loss": float("nan")}, 0, event))
    report(Progress(10, 40, {"energy/loss": 0.4}, 1))
    assert lines(report.path) == [
        {"attempt": 0, "step": 10, "energy/loss": 0.5, "energy/rate": 1e-3},
        {"attempt": 0, "step": 17, "event": event},
        {"attempt": 1, "step": 10, "energy/loss": 0.4},
    ]


def test_metrics_file_skips_repeated_points_and_repairs_an_incomplete_line(tmp_path):
    path = tmp_path / "key.jsonl"
    report = MetricsFile(path)
    for step in (10, 20, 30):
        report(Progress(step, 40, {"a/loss": step / 3}))
    complete = path.read_text()
    path.write_text(complete[:-4])
    resumed = MetricsFile(path, resume=True)
    for step in (20, 30):
        resumed(Progress(step, 40, {"a/loss": step / 3}))
    assert path.read_text() == complete


def test_metrics_file_replaces_an_old_file_without_resume(tmp_path):
    path = tmp_path / "key.jsonl"
    MetricsFile(path)(Progress(10, 40, {"a/loss": 1.0}))
    MetricsFile(path)
    assert not path.exists()


def test_metrics_file_ignores_other_stages(tmp_path):
    report = MetricsFile(tmp_path / "key.jsonl")
    report(Progress(800, 800, {"classifier/loss": 0.1}, stage="WRN-10-2"))
    report(Progress(10, 40, {"energy/loss": 0.5}))
    assert lines(report.path) == [{"attempt": 0, "step": 10, "energy/loss": 0.5}]


def test_metrics_file_that_cannot_be_written_is_logged(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    MetricsFile(tmp_path / "file" / "key.jsonl")(Progress(1, 2, {}))
    assert "cannot be written" in caplog.text


def test_tensorboard_has_a_folder_per_attempt(tmp_path):
    pytest.importorskip("tensorboard")
    report = TensorBoard(tmp_path)
    report(Progress(10, 40, {"a/loss": 1.0}))
    report(Progress(20, 40, {}, 0, "a/loss is nan at step 20; rolled back to step 0"))
    report(Progress(10, 40, {"a/loss": 0.5}, 1))
    report.close()
    folders = {path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("events.*")}
    assert folders == {".", "rollback-1"}


def test_missing_tensorboard_is_an_error_with_the_command_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(EbmoodError, match=r"pip install 'ebmood\[tensorboard\]'"):
        check_tensorboard()
