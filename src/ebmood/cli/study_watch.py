"""`ebmood study --watch`: the progress of a study that another process runs, from its files only."""

import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ebmood.cli.study_progress import progress_display
from ebmood.core.errors import EbmoodError
from ebmood.core.files import is_locked
from ebmood.study.cell_paths import CellPaths
from ebmood.study.plan import PLAN, read_plan
from ebmood.study.records import Record, read_records
from ebmood.study.runner import RECORDS, latest_records
from ebmood.study.snapshots import Snapshot, read_snapshot

INTERVAL = 1.0
"""Seconds between two reads of the files."""


@dataclass(frozen=True)
class PlannedTask:
    """A cell in the plan of a study."""

    key: str
    name: str


@dataclass(frozen=True)
class PlannedStudy:
    """The cells in the plan of a study."""

    title: str
    tasks: tuple[PlannedTask, ...]


def watch(folder: Path, console: Console | None = None, interval: float = INTERVAL) -> int:
    """Show a running study until every cell has a record, or until no process runs it.

    Args:
        folder: folder of the study.
        console: where to print; standard error if None.
        interval: seconds between two reads of the files.

    Returns:
        The exit code: 1 if cells failed, or have no record when the study stops.

    Raises:
        EbmoodError: the folder contains no study.
    """
    console = console or Console(stderr=True, highlight=False)
    study = _read(folder)
    records = latest_records(read_records(folder / RECORDS))
    todo = [task for task in study.tasks if task.key not in records]
    with progress_display(console, folder, max(1, len(_snapshots(study, folder)))) as observer:
        observer.on_start(study, todo)
        size = -1
        while True:
            is_running = is_locked(
                folder
            )  # before reading records, which are complete when the lock is released
            snapshots = _snapshots(study, folder) if is_running else {}
            if (new_size := _size(folder / RECORDS)) != size:
                size, records = new_size, latest_records(read_records(folder / RECORDS))
            for task in [task for task in todo if task.key in records]:
                observer.on_finish(task, records[task.key])
                todo.remove(task)
            observer.on_progress(snapshots)
            if not todo:
                return _exit_code(study, records)
            if not is_running:
                console.print(
                    f"no process runs the study in {folder}; {len(todo)} of {len(study.tasks)} cells have no record. "
                    "Resume it with the same command that started it",
                    markup=False,
                    soft_wrap=True,
                )
                return 1
            time.sleep(interval)


def _exit_code(study: PlannedStudy, records: dict[str, Record]) -> int:
    return int(any(records[task.key].status == "failed" for task in study.tasks))


def _read(folder: Path) -> PlannedStudy:
    plan = read_plan(folder)
    if plan is None:
        raise EbmoodError(f"{folder / PLAN}: no study to watch; name the output folder of `ebmood study`")
    tasks = (PlannedTask(key, name) for key, name in plan.cells if key not in plan.left_out)
    return PlannedStudy(plan.title, tuple(tasks))


def _snapshots(study: PlannedStudy, folder: Path) -> dict[str, tuple[PlannedTask, Snapshot | None]]:
    snapshots = {
        task.key: (task, read_snapshot(CellPaths(folder, task.key).snapshot)) for task in study.tasks
    }
    return {key: (task, snapshot) for key, (task, snapshot) in snapshots.items() if snapshot}


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
