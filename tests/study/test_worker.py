import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ebmood.data import Toy
from ebmood.recipes import METHODS
from ebmood.study.cell import Cell, cell_key, run_cell
from ebmood.study.cell_paths import CellPaths
from ebmood.study.runner import run_study
from ebmood.study.study_file import Study, Task
from ebmood.training import Checkpoints, MetricsFile


def study_of(recipe) -> Study:
    cell = Cell(dataset=Toy(shape="moons", rows=200), recipe=recipe, seed=0)
    return Study("s", "S", (Task(cell, cell_key(cell), "the cell"),))


def thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


def numbers(record) -> dict:
    return record.model_dump(exclude={"started", "seconds"})


@pytest.fixture
def interrupted(tmp_path):
    """A study whose only cell was interrupted after step 40 of 60, with a mark in its metrics file."""
    study = study_of(METHODS["ssm"]("corrected", 1.0).overridden(training={"steps": 60, "batch_size": 32}))
    task, folder = study.tasks[0], tmp_path / "interrupted"
    paths = CellPaths(folder, task.key)
    metrics = MetricsFile(paths.metrics)

    def report(progress):
        metrics(progress)
        if progress.step == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_cell(task.cell, report, Checkpoints(paths.checkpoints, steps=7))
    first, *others = paths.metrics.read_text().splitlines()
    paths.metrics.write_text("\n".join([first[:-1] + ', "mark": 1}', *others, '{"attempt": 0, "st']))
    return study, folder, paths


def test_an_interrupted_cell_resumes_from_its_checkpoint(interrupted, tmp_path):
    study, folder, paths = interrupted
    (record,) = run_study(study, folder, open_executor=thread)
    (complete,) = run_study(study, tmp_path / "complete", open_executor=thread)
    assert numbers(record) == numbers(complete)
    points = [json.loads(line) for line in paths.metrics.read_text().splitlines()]
    assert points[0].pop("mark") == 1
    again = CellPaths(tmp_path / "complete", paths.key).metrics.read_text().splitlines()
    assert points == [json.loads(line) for line in again]
    assert [point["step"] for point in points] == list(record.losses["step"])
    assert {"energy/loss", "energy/gradient_norm", "energy/rate"} <= points[0].keys()
    assert sorted(path.name for path in folder.iterdir()) == [
        ".lock",
        "metrics",
        "records.jsonl",
        "study.json",
    ]


def test_without_resume_an_interrupted_cell_starts_again(interrupted):
    study, folder, paths = interrupted
    run_study(study, folder, open_executor=thread, resume=False)
    assert "mark" not in paths.metrics.read_text()


def test_without_resume_cells_of_other_seeds_keep_their_checkpoints(interrupted):
    study, folder, paths = interrupted
    (task,) = study.tasks
    cell = task.cell.model_copy(update={"seed": 1})
    both = replace(study, tasks=(task, Task(cell, cell_key(cell), "another")))
    run_study(both, folder, seeds=[1], open_executor=thread, resume=False)
    assert any(paths.checkpoints.glob("*.json"))
    run_study(both, folder, open_executor=thread)
    assert "mark" in paths.metrics.read_text()


def test_rollbacks_of_a_failed_training_are_recorded():
    objective = {"chain": {"steps": 10, "step_size": 30}, "penalty": 0, "optimiser": {"lr": 0.03}}
    recipe = METHODS["cd"]("corrected", None).overridden(
        model={"hidden": (32, 32), "activation": "silu"},
        objective=objective,
        training={"steps": 300, "batch_size": 64, "warmup": 0},
    )
    record = run_cell(study_of(recipe).tasks[0].cell)
    assert record.status == "failed"
    assert "3 rollbacks" in (record.reason or "")
    assert len(record.events) == 3
    assert not set(record.events) & set(record.notes)


def test_tensorboard_and_the_metrics_file_contain_the_same_losses(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    study = study_of(METHODS["ssm"]("corrected", None).overridden(training={"steps": 20, "batch_size": 32}))
    run_study(study, tmp_path, open_executor=thread, tensorboard=True)
    paths = CellPaths(tmp_path, study.tasks[0].key)
    read = EventAccumulator(str(paths.tensorboard)).Reload()
    points = [json.loads(line) for line in paths.metrics.read_text().splitlines()]
    losses = [(event.step, event.value) for event in read.Scalars("energy/loss")]
    assert losses == [(point["step"], pytest.approx(point["energy/loss"])) for point in points]
