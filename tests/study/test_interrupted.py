import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ebmood.data import Toy
from ebmood.recipes import METHODS
from ebmood.study.cell import Cell, cell_key, run_cell
from ebmood.study.files import CellFiles
from ebmood.study.runner import run_study
from ebmood.study.spec import Study, Task
from ebmood.training import Checkpoints, MetricsFile


def study_of(recipe) -> Study:
    cell = Cell(dataset=Toy(shape="moons", rows=200), recipe=recipe, seed=0)
    return Study("s", "S", (Task(cell, cell_key(cell), "the cell"),))


def here() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


def numbers(record) -> dict:
    return record.model_dump(exclude={"started", "seconds"})


@pytest.fixture
def stopped(tmp_path):
    """A study whose one cell was stopped after step 40 of 60, and the file of its metrics, marked."""
    study = study_of(METHODS["ssm"]("corrected", 1.0).overridden(training={"steps": 60, "batch_size": 32}))
    task, folder = study.tasks[0], tmp_path / "stopped"
    files = CellFiles(folder, task.key)
    metrics = MetricsFile(files.metrics)

    def report(progress):
        metrics(progress)
        if progress.step == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_cell(task.cell, report, Checkpoints(files.checkpoints, steps=7))
    first, *others = files.metrics.read_text().splitlines()
    files.metrics.write_text("\n".join([first[:-1] + ', "mark": 1}', *others, '{"attempt": 0, "st']))
    return study, folder, files


def test_a_study_that_was_killed_goes_on_within_its_cells(stopped, tmp_path):
    study, folder, files = stopped
    (record,) = run_study(study, folder, open_executor=here)
    (whole,) = run_study(study, tmp_path / "whole", open_executor=here)
    assert numbers(record) == numbers(whole)
    points = [json.loads(line) for line in files.metrics.read_text().splitlines()]
    assert points[0].pop("mark") == 1, "it did not begin anew"
    again = CellFiles(tmp_path / "whole", files.key).metrics.read_text().splitlines()
    assert points == [json.loads(line) for line in again], "the same lines, none twice, none torn"
    assert [point["step"] for point in points] == list(record.losses["step"])
    assert {"energy/loss", "energy/gradient_norm", "energy/rate"} <= points[0].keys()
    assert sorted(path.name for path in folder.iterdir()) == [
        ".lock",
        "metrics",
        "records.jsonl",
        "study.json",
    ]


def test_unless_it_is_told_not_to(stopped):
    study, folder, files = stopped
    run_study(study, folder, open_executor=here, resume=False)
    assert "mark" not in files.metrics.read_text()


def test_which_leaves_alone_what_it_does_not_run(stopped):
    """A cell of a seed that is not asked for keeps its checkpoints."""
    study, folder, files = stopped
    (task,) = study.tasks
    cell = task.cell.model_copy(update={"seed": 1})
    both = replace(study, tasks=(task, Task(cell, cell_key(cell), "another")))
    run_study(both, folder, seeds=[1], open_executor=here, resume=False)
    assert any(files.checkpoints.glob("*.json"))
    run_study(both, folder, open_executor=here)
    assert "mark" in files.metrics.read_text()


def test_what_could_not_be_healed_is_in_the_record():
    objective = {"chain": {"steps": 10, "step_size": 30}, "penalty": 0, "optimiser": {"lr": 0.03}}
    recipe = METHODS["cd"]("corrected", None).overridden(
        model={"hidden": (32, 32), "activation": "silu"},
        objective=objective,
        training={"steps": 300, "batch_size": 64, "warmup": 0},
    )
    record = run_cell(study_of(recipe).tasks[0].cell)
    assert record.status == "failed"
    assert "after going back 3 times" in (record.reason or "")
    assert len(record.events) == 3
    assert not set(record.events) & set(record.notes), "said once"


def test_tensorboard_gets_what_the_file_gets(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    study = study_of(METHODS["ssm"]("corrected", None).overridden(training={"steps": 20, "batch_size": 32}))
    run_study(study, tmp_path, open_executor=here, tensorboard=True)
    files = CellFiles(tmp_path, study.tasks[0].key)
    read = EventAccumulator(str(files.tensorboard)).Reload()
    points = [json.loads(line) for line in files.metrics.read_text().splitlines()]
    losses = [(event.step, event.value) for event in read.Scalars("energy/loss")]
    assert losses == [(point["step"], pytest.approx(point["energy/loss"])) for point in points]
