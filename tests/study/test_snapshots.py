import math

from ebmood.study.snapshots import SnapshotWriter, read_snapshot
from ebmood.training import Progress


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_writes_at_most_once_a_second_and_estimates_the_remaining_time(tmp_path):
    clock, path = Clock(), tmp_path / "key.json"
    assert read_snapshot(path) is None
    writer = SnapshotWriter(path, clock)
    clock.now += 2
    writer(Progress(10, 100, {"energy/loss": 1.5}))
    clock.now += 0.5
    writer(Progress(20, 100, {"energy/loss": 1.0}))
    snapshot = read_snapshot(path)
    assert (snapshot.step, snapshot.steps, snapshot.losses) == (10, 100, {"energy/loss": 1.5})
    assert snapshot.remaining == 18.0  # ten steps took two seconds
    clock.now += 0.5
    writer(Progress(30, 100, {"energy/loss": 0.5}))
    assert read_snapshot(path).step == 30


def test_a_loss_that_is_not_finite_is_written(tmp_path):
    SnapshotWriter(tmp_path / "key.json")(Progress(1, 2, {"a": math.nan, "b": math.inf}))
    losses = read_snapshot(tmp_path / "key.json").losses
    assert math.isnan(losses["a"])
    assert losses["b"] == math.inf


def test_a_path_that_cannot_be_written_does_not_raise(tmp_path):
    (tmp_path / "file").write_text("")
    SnapshotWriter(tmp_path / "file" / "key.json")(Progress(1, 2, {}))


def test_a_missing_folder_is_not_created(tmp_path):
    SnapshotWriter(tmp_path / "out" / "progress" / "key.json")(Progress(1, 2, {}))
    assert list(tmp_path.iterdir()) == []


def test_an_incomplete_file_is_not_a_snapshot(tmp_path):
    (tmp_path / "key.json").write_text('{"step": 3')
    assert read_snapshot(tmp_path / "key.json") is None
