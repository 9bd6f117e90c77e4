"""`ebmood study --watch`: a study that runs elsewhere, shown from its files alone."""

import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ebmood.cli.watch import watching
from ebmood.core.errors import EbmoodError
from ebmood.core.files import is_locked
from ebmood.study.files import CellFiles
from ebmood.study.plan import PLAN, read_plan
from ebmood.study.progress import Snapshot, read_snapshot
from ebmood.study.records import Record, read_records
from ebmood.study.runner import RECORDS, latest

EVERY = 1.0
"""Seconds between two looks at the files."""


@dataclass(frozen=True)
class Seen:
    """A cell, as its study's file names it."""

    key: str
    name: str


@dataclass(frozen=True)
class SeenStudy:
    """A study, as its file names it."""

    title: str
    tasks: tuple[Seen, ...]


def follow(folder: Path, console: Console | None = None, every: float = EVERY) -> int:
    """Show a running study until every cell has its record, or nobody works on it; Ctrl-C leaves the study alone.

    Returns:
        The exit code: 1 if cells failed, or are not there when the study stops.

    Raises:
        EbmoodError: the folder holds no study.
    """
    console = console or Console(stderr=True, highlight=False)
    study = _read(folder)
    records = latest(read_records(folder / RECORDS))
    todo = [task for task in study.tasks if task.key not in records]
    with watching(console, folder, max(1, len(_running(study, folder)))) as watcher:
        watcher.planned(study, todo)
        size = -1
        while True:
            written = is_locked(folder)  # Asked first: what its run leaves is there when it lets go.
            running = _running(study, folder) if written else {}
            now = _size(folder / RECORDS)
            if now != size:
                size, records = now, latest(read_records(folder / RECORDS))
            for task in [task for task in todo if task.key in records]:
                watcher.finished(task, records[task.key])
                todo.remove(task)
            watcher.running(running)
            if not todo:
                return _code(study, records)
            if not written:
                console.print(
                    f"no study runs in {folder} now; {len(todo)} of {len(study.tasks)} cells are not there. The "
                    "command that began it goes on with it",
                    soft_wrap=True,
                )
                return 1
            time.sleep(every)


def _code(study: SeenStudy, records: dict[str, Record]) -> int:
    return int(any(records[task.key].status == "failed" for task in study.tasks))


def _read(folder: Path) -> SeenStudy:
    plan = read_plan(folder)
    if plan is None:
        raise EbmoodError(
            f"{folder / PLAN}: no study to watch; name the folder that `ebmood study` writes to"
        )
    return SeenStudy(plan.title, tuple(Seen(*cell) for cell in plan.cells if cell[0] not in plan.left_out))


def _running(study: SeenStudy, folder: Path) -> dict[str, tuple[Seen, Snapshot | None]]:
    snapshots = {
        task.key: (task, read_snapshot(CellFiles(folder, task.key).progress)) for task in study.tasks
    }
    return {key: (task, snapshot) for key, (task, snapshot) in snapshots.items() if snapshot}


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
