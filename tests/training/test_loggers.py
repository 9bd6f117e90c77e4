import json
import sys

import pytest

from ebmood.core.errors import EbmoodError
from ebmood.training import MetricsFile, Progress, check_tensorboard


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_for_each_point_and_each_healing(tmp_path):
    report = MetricsFile(tmp_path / "metrics" / "key.jsonl")
    report(Progress(10, 40, {"energy/loss": 0.5, "energy/rate": 1e-3}))
    report(
        Progress(17, 40, {"energy/loss": float("nan")}, 0, "energy/loss is nan at step 17; back to step 0")
    )
    report(Progress(10, 40, {"energy/loss": 0.4}, 1))
    assert lines(report.path) == [
        {"attempt": 0, "step": 10, "energy/loss": 0.5, "energy/rate": 1e-3},
        {"attempt": 0, "step": 17, "event": "energy/loss is nan at step 17; back to step 0"},
        {"attempt": 1, "step": 10, "energy/loss": 0.4},
    ]


def test_what_is_told_again_is_written_once_and_a_torn_line_again(tmp_path):
    path = tmp_path / "key.jsonl"
    first = MetricsFile(path)
    for step in (10, 20, 30):
        first(Progress(step, 40, {"a/loss": step / 3}))
    whole = path.read_text()
    path.write_text(whole[:-4])
    again = MetricsFile(path, goes_on=True)
    for step in (20, 30):
        again(Progress(step, 40, {"a/loss": step / 3}))
    assert path.read_text() == whole
    MetricsFile(path)
    assert not path.exists(), "a run that begins anew does not go on in the old one's file"


def test_what_trains_before_the_model_is_no_part_of_its_metrics(tmp_path):
    report = MetricsFile(tmp_path / "key.jsonl")
    report(Progress(800, 800, {"classifier/loss": 0.1}, before="WRN-10-2"))
    report(Progress(10, 40, {"energy/loss": 0.5}))
    assert lines(report.path) == [{"attempt": 0, "step": 10, "energy/loss": 0.5}]


def test_a_place_that_cannot_be_written_does_not_end_training(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    MetricsFile(tmp_path / "file" / "key.jsonl")(Progress(1, 2, {}))
    assert "cannot be written" in caplog.text


def test_tensorboard_asked_for_and_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(EbmoodError, match=r"pip install 'ebmood\[tensorboard\]'"):
        check_tensorboard()
