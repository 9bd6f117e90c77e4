import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ebmood.models import EnergyModel
from ebmood.networks import MLP
from ebmood.objectives import CD, Supervised
from ebmood.samplers import SGLD
from ebmood.training import Checkpoints, Training, make_fabric, train

CPU = make_fabric("cpu")
ROWS = torch.rand(100, 2, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(100) % 2
SETTINGS = CD(chain=SGLD(steps=2), buffer=30)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forks")
@pytest.mark.slow
@pytest.mark.usefixtures("cache")
def test_results_after_twenty_kills_at_random_times_are_bitwise_equal(tmp_path):
    script = Path(__file__).parents[1] / "helpers" / "killed_runs.py"
    subprocess.run(
        [sys.executable, str(script), str(tmp_path), "20"],
        check=True,
        timeout=900,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    starts = []
    for folder in sorted(tmp_path.iterdir()):
        expected, killed = ((folder / f"{name}.json").read_text() for name in ("expected", "killed"))
        assert expected == killed, f"{folder.name}: model, history, events or record differ"
        lines = (folder / "checkpoints" / "metrics.jsonl").read_text().splitlines()
        check_points([json.loads(line) for line in lines], json.loads(expected), folder.name)
        starts += [int(line) for line in (folder / "checkpoints" / "starts").read_text().split()]
        files = sorted(path.name for path in (folder / "checkpoints").glob("*[0-9].*"))
        assert len([name for name in files if name.endswith(".json")]) == 2
    assert json.loads((tmp_path / "diverging" / "expected.json").read_text())[2], (
        "one of the runs was rolled back"
    )
    assert max(starts) > 30, "runs resumed from checkpoints"


def check_points(points, expected, name):
    """Check that the metrics file has every point and every event exactly once."""
    history, events = (expected["losses"], expected["events"]) if isinstance(expected, dict) else expected[1:]
    positions = [(point["attempt"], point["step"]) for point in points]
    assert positions == sorted(set(positions)), f"{name}: a point occurs twice"
    last = [point for point in points if point["attempt"] == len(events) and "event" not in point]
    tail = history["step"][-len(last) :]
    assert [point["step"] for point in last] == tail, f"{name}: a point is missing"
    assert [point["event"] for point in points if "event" in point] == events


def run(folder, steps=40, seed=0, report=None, rows=ROWS, settings=SETTINGS, gamma=1.0):
    torch.manual_seed(1)
    objective = Supervised(settings.build(EnergyModel(MLP(2, (8,), 2, "silu")), 2, (2,), 0), gamma)
    checkpoints = None if folder is None else Checkpoints(folder, steps=10)
    training = Training(steps=steps, batch_size=25, warmup=5, average=15)
    train(objective, rows, CLASSES, training, seed, CPU, report=report, checkpoints=checkpoints)
    return objective.state_dict()


class Stop(Exception):  # noqa: N818
    pass


def stop_at(step):
    def report(progress):
        if progress.step == step:
            raise Stop

    return report


@pytest.fixture
def interrupted(tmp_path):
    """Return a folder with the checkpoints of steps 20 and 30."""
    with pytest.raises(Stop):
        run(tmp_path, report=stop_at(35))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "000002.json",
        "000002.safetensors",
        "000003.json",
        "000003.safetensors",
    ]
    return tmp_path


def first_step(folder):
    """Resume the run, check that its result is the expected one, and return the first step that was done."""
    steps = []
    state = run(folder, report=lambda progress: steps.append(progress.step))
    assert all(torch.equal(value, state[name]) for name, value in run(None).items())
    return steps[0]


def test_a_run_resumes_after_the_last_checkpoint(interrupted, caplog):
    assert first_step(interrupted) == 31
    assert not caplog.records


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: os.truncate(folder / "000003.safetensors", 900),
        lambda folder: os.truncate(folder / "000003.json", 900),
        lambda folder: os.truncate(folder / "000003.json", 0),
        lambda folder: (folder / "000003.safetensors").unlink(),
        lambda folder: flip(folder / "000003.safetensors"),
        lambda folder: flip(folder / "000003.json"),
    ],
    ids=[
        "tensors cut",
        "numbers cut",
        "numbers empty",
        "tensors missing",
        "tensor bit changed",
        "digit changed",
    ],
)
def test_a_damaged_checkpoint_is_skipped_with_a_warning(interrupted, caplog, damage):
    damage(interrupted)
    with caplog.at_level(logging.WARNING):
        assert first_step(interrupted) == 21
    (record,) = caplog.records
    assert "000003.json: checkpoint skipped (" in record.getMessage()


def flip(path):
    """Change one number, or one bit of the last tensor."""
    content = bytearray(path.read_bytes())
    if path.suffix == ".json":
        at = content.index(b'"step": 30') + 8
        content[at : at + 2] = b"29"
    else:
        content[-1] ^= 1
    path.write_bytes(content)


def test_a_run_without_intact_checkpoints_starts_again(interrupted, caplog):
    for path in interrupted.glob("*.safetensors"):
        path.write_bytes(b"")
    assert first_step(interrupted) == 1
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"steps": 41},
        {"rows": ROWS.flip(0)},
        {"settings": SETTINGS.updated(penalty=0.5)},
        {"gamma": 2.0},
    ],
    ids=lambda other: next(iter(other)),
)
def test_checkpoints_of_another_run_are_skipped(interrupted, caplog, other):
    steps = []
    run(interrupted, report=lambda progress: steps.append(progress.step), **other)
    assert steps[0] == 1
    assert "belongs to a run with other settings or data" in caplog.text


def test_a_folder_that_cannot_be_written_does_not_stop_the_run(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    run(tmp_path / "file" / "checkpoints")
    assert "training continues without this checkpoint" in caplog.text


def test_without_steps_the_clock_decides(tmp_path):
    assert not Checkpoints(tmp_path).due(1, CPU)
    assert Checkpoints(tmp_path, seconds=0).due(1, CPU)
