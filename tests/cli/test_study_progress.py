import io

import pytest
from helpers.records import failed_record, made_record
from rich.console import Console

from ebmood.cli.study_progress import LineDisplay, duration_text, progress_display
from ebmood.cli.study_watch import PlannedStudy, PlannedTask
from ebmood.study.snapshots import Snapshot

TASKS = tuple(PlannedTask(f"ssm-{seed}", f"segment, ssm, seed {seed}") for seed in range(3))


def console(terminal=False):
    return Console(record=True, width=160, force_terminal=terminal, file=io.StringIO())


@pytest.mark.parametrize(
    ("seconds", "text"), [(7.31, "7.3 s"), (59.99, "1 min 00 s"), (125, "2 min 05 s"), (12000, "3 h 20 min")]
)
def test_durations(seconds, text):
    assert duration_text(seconds) == text


def test_lines_have_scores_failures_rollbacks_and_each_note_once(tmp_path):
    output = console()
    display = LineDisplay(output, tmp_path, 2)
    display.on_start(PlannedStudy("A study", TASKS), TASKS[1:])
    display.on_retry(TASKS[1])
    display.on_finish(
        TASKS[1], made_record(score={"sky": 0.5}, events=("loss is nan",), notes=("small data",))
    )
    display.on_finish(TASKS[2], failed_record(reason="no memory", notes=("small data",)))
    lines = output.export_text().splitlines()
    assert lines == [
        f"A study: 3 cells, 1 already finished; 2 in parallel; in {tmp_path}",
        "segment, ssm, seed 1: its worker process died; another one resumes it",
        "[2/3] segment, ssm, seed 1, 12.5 s: sky 0.500 AUROC; 1 rollback",
        "note: small data",
        "[3/3] segment, ssm, seed 2, 12.5 s: failed: no memory",
    ]


def test_checkpoints_of_cells_outside_the_study_are_named(tmp_path):
    output = console()
    LineDisplay(output, tmp_path, 2).on_abandoned([tmp_path / "checkpoints" / key for key in "abcd"])
    text = " ".join(output.export_text().split())
    assert f"{tmp_path / 'checkpoints'} contains checkpoints of 4 cells that this study does not have" in text
    assert "(a, b, c, ...); remove them if no other run resumes them" in text


def test_bars_estimate_the_remaining_time_from_finished_cells(tmp_path):
    output = console(terminal=True)
    with progress_display(output, tmp_path, 1) as display:
        display.on_start(PlannedStudy("A study", TASKS), TASKS)
        snapshot = Snapshot(step=30, steps=60, losses={"energy/loss": -1.5}, seconds=9, rollbacks=2)
        display.on_progress({"ssm-0": (TASKS[0], snapshot)})
        display.on_finish(TASKS[0], made_record())
        display.on_progress({"ssm-1": (TASKS[1], snapshot)})
        assert display._remaining({"ssm-1": (TASKS[1], snapshot)}) == "about 21.5 s left"
    text = output.export_text()
    assert "step 30/60" in text
    assert "energy loss -1.5; 2 rollbacks" in text
    assert "9.0 s left" in text
