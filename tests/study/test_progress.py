import math

from ebmood.study.progress import ProgressFile, read_snapshot
from ebmood.training import Progress


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_at_most_one_write_a_second_and_the_time_left(tmp_path):
    clock, path = Clock(), tmp_path / "key.json"
    assert read_snapshot(path) is None
    report = ProgressFile(path, clock)
    clock.now += 2
    report(Progress(10, 100, {"energy/loss": 1.5}))
    clock.now += 0.5
    report(Progress(20, 100, {"energy/loss": 1.0}))
    snapshot = read_snapshot(path)
    assert (snapshot.step, snapshot.steps, snapshot.losses) == (10, 100, {"energy/loss": 1.5})
    assert snapshot.left == 18.0  # ten steps took two seconds
    clock.now += 0.5
    report(Progress(30, 100, {"energy/loss": 0.5}))
    assert read_snapshot(path).step == 30


def test_a_loss_that_is_not_finite_is_still_reported(tmp_path):
    ProgressFile(tmp_path / "key.json")(Progress(1, 2, {"a": math.nan, "b": math.inf}))
    losses = read_snapshot(tmp_path / "key.json").losses
    assert math.isnan(losses["a"])
    assert losses["b"] == math.inf


def test_a_place_that_cannot_be_written_does_not_end_training(tmp_path):
    (tmp_path / "file").write_text("")
    ProgressFile(tmp_path / "file" / "key.json")(Progress(1, 2, {}))


def test_a_machine_that_does_not_see_the_folder_is_left_as_it_is(tmp_path):
    ProgressFile(tmp_path / "out" / "progress" / "key.json")(Progress(1, 2, {}))
    assert list(tmp_path.iterdir()) == []


def test_half_a_file_is_no_snapshot(tmp_path):
    (tmp_path / "key.json").write_text('{"step": 3')
    assert read_snapshot(tmp_path / "key.json") is None
