"""The runner of a study: it runs each cell once, several in parallel, and appends their records.

Cells run in the executors of `ebmood.executors` (processes of this machine, or a Dask cluster). Only this process
writes records, so an interruption never leaves half a record.
"""

import shutil
import time
from collections.abc import Callable, Collection, Generator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from ebmood.core.errors import EbmoodError
from ebmood.core.files import write_lock
from ebmood.core.interface import for_interface
from ebmood.executors.dispatch import dispatch
from ebmood.executors.process import SingleProcessExecutor
from ebmood.study.cell import failed_record
from ebmood.study.cell_paths import CellPaths
from ebmood.study.migration import current_key
from ebmood.study.plan import Plan, read_plan, write_plan
from ebmood.study.records import Record, append_record, read_records
from ebmood.study.snapshots import Snapshot, read_snapshot
from ebmood.study.study_file import Study, Task
from ebmood.study.worker import run_in_worker

RECORDS = "records.jsonl"
"""Name of the file of records in the folder of a study."""

GRACE = 30.0
"""Seconds after the deadline in which cells may write a checkpoint, or end if they do not train."""


class StudyObserver:
    """Receives the events of a running study. This base class ignores them."""

    def on_start(self, study: Study, todo: Sequence[Task]) -> None:
        """The study starts. `todo` are the tasks without a record; `study` contains only the requested seeds."""

    def on_abandoned(self, checkpoints: Sequence[Path]) -> None:
        """Folders of checkpoints belong to cells that the study does not have. They are not removed."""

    def on_progress(self, tasks: dict[str, tuple[Task, Snapshot | None]]) -> None:
        """The state of the running tasks changed. `tasks` are the tasks by key, with their last snapshots or None."""

    def on_retry(self, task: Task) -> None:
        """The worker of `task` died; another worker resumes it."""

    def on_finish(self, task: Task, record: Record) -> None:
        """The record of `task` was written."""

    def on_stop(self, remaining: Sequence[Task]) -> None:
        """The time of the run is over. `remaining` are the requested tasks without a record."""


class _OutOfTimeError(Exception):
    """The grace period after the deadline is over."""


def run_study(
    study: Study,
    folder: Path,
    *,
    seeds: Collection[int] | None = None,
    jobs: int = 1,
    retry_failed: bool = False,
    resume: bool = True,
    tensorboard: bool = False,
    deadline: float | None = None,
    observer: StudyObserver | None = None,
    open_executor: Callable[[], Executor] = SingleProcessExecutor,
) -> list[Record]:
    """Run the cells of `study` that have no record and return all its records, in the order of the study.

    Args:
        study: the study.
        folder: folder for `records.jsonl`, `study.json` (the plan of the last study), `metrics/KEY.jsonl`, and
            `progress/` and `checkpoints/` while cells run.
        seeds: run only the cells of these seeds; None for all.
        jobs: number of cells that run in parallel, each in its own executor.
        retry_failed: whether to run cells again whose last record is a failure.
        resume: whether interrupted cells resume from their checkpoints; otherwise they start again.
        tensorboard: whether to write TensorBoard events, under `tensorboard/`.
        deadline: the time at which to stop, in seconds since the epoch as `time.time` returns; None for no limit. No
            cell starts after it. Cells that train write a checkpoint and stop, and another call resumes them with
            bitwise equal results. Cells that still run after `GRACE` seconds are ended.
        observer: receives the events of the run.
        open_executor: returns an executor for one cell at a time. A broken executor is replaced, and its cell
            resumes from its last checkpoint; a cell whose executor breaks twice without a new checkpoint is
            recorded as failed.

    Raises:
        EbmoodError: the study does not have a seed, the folder cannot be written, another run writes to it, or
            the cluster is gone. Earlier records remain.
    """
    observer = observer or StudyObserver()
    selected = replace(study, tasks=_select_seeds(study, seeds))
    with write_lock(folder):
        records = latest_records(read_records(folder / RECORDS))
        todo = [task for task in selected.tasks if _is_missing(records.get(task.key), retry_failed)]
        if not resume:
            for task in todo:
                _remove_checkpoints(folder, task)
        write_plan(folder, _plan(study, selected))
        observer.on_start(selected, todo)
        if abandoned := _abandoned(folder, study):
            observer.on_abandoned(abandoned)
        running = _run(todo, folder.resolve(), jobs, tensorboard, deadline, observer, open_executor)
        remaining = {task.key: task for task in todo}
        with closing(running) as finished:
            for task, record in finished:
                append_record(folder / RECORDS, record)
                _remove_checkpoints(folder, task)
                records[task.key] = record
                del remaining[task.key]
                observer.on_finish(task, record)
        if remaining:
            observer.on_stop(list(remaining.values()))
        with suppress(OSError):  # fails if checkpoints of other cells remain
            (folder / "checkpoints").rmdir()
    return [records[task.key] for task in study.tasks if task.key in records]


def read_study(folder: Path) -> tuple[Plan, list[Record]]:
    """Return the plan of the study last run in `folder` and the newest record of each cell, in its order.

    Records of nudged twins of these cells follow, also if the last run did not ask for them.

    Raises:
        EbmoodError: the folder contains no records, or a file cannot be read.
    """
    records = latest_records(read_records(folder / RECORDS))
    if not records:
        raise EbmoodError(f"{folder / RECORDS}: no records; run `ebmood study ... -o {folder}` first")
    plan = read_plan(folder) or Plan(title=folder.name, keys=tuple(records))
    planned = set(plan.keys)
    twins = [record for key, record in records.items() if record.twin_of in planned and key not in planned]
    return plan, [*(records[key] for key in plan.keys if key in records), *twins]


def latest_records(records: Sequence[Record]) -> dict[str, Record]:
    """Return the newest record of each cell by its current key. Records of version 0.1 have other keys."""
    return {current_key(record.key): record for record in records}


def _is_missing(record: Record | None, retry_failed: bool) -> bool:
    return record is None or (retry_failed and record.status == "failed")


def _remove_checkpoints(folder: Path, task: Task) -> None:
    shutil.rmtree(CellPaths(folder, task.key).checkpoints, ignore_errors=True)


def _abandoned(folder: Path, study: Study) -> list[Path]:
    """Return the folders of checkpoints of cells that the study does not have, such as before a changed setting."""
    keys = {task.key for task in study.tasks}
    return sorted(path for path in (folder / "checkpoints").glob("*") if path.name not in keys)


def _select_seeds(study: Study, seeds: Collection[int] | None) -> tuple[Task, ...]:
    if seeds is None:
        return study.tasks
    known = sorted({task.cell.seed for task in study.tasks})
    for seed in seeds:
        if seed not in known:
            raise EbmoodError(
                f"{for_interface(f'--seed {seed}', f'seeds={seed}')}: the study has no such seed; its seeds are "
                f"{', '.join(map(str, known))}"
            )
    return tuple(task for task in study.tasks if task.cell.seed in seeds)


def _plan(study: Study, selected: Study) -> Plan:
    selected_keys = {task.key for task in selected.tasks}
    return Plan(
        name=study.name,
        title=study.title,
        keys=tuple(task.key for task in study.tasks),
        names=tuple(task.name for task in study.tasks),
        seeds=study.seeds,
        left_out=tuple(task.key for task in study.tasks if task.key not in selected_keys),
    )


def _run(
    todo: Sequence[Task],
    folder: Path,
    jobs: int,
    tensorboard: bool,
    deadline: float | None,
    observer: StudyObserver,
    open_executor: Callable[[], Executor],
) -> Generator[tuple[Task, Record], None, None]:
    """Yield each task with its record when it is finished. Tasks that stop at the deadline are not yielded."""

    def submit(executor: Executor, task: Task) -> Future:
        return executor.submit(run_in_worker, task.cell, CellPaths(folder, task.key), tensorboard, deadline)

    def may_start() -> bool:
        return deadline is None or time.time() < deadline

    def newest_checkpoint(task: Task) -> int:
        return CellPaths(folder, task.key).newest_checkpoint

    def on_retry(task: Task) -> None:
        _remove_snapshot(folder, task)
        observer.on_retry(task)

    def on_progress(tasks: list[Task]) -> None:
        if deadline is not None and time.time() >= deadline + GRACE:
            raise _OutOfTimeError
        paths = {task.key: CellPaths(folder, task.key).snapshot for task in tasks}
        observer.on_progress({task.key: (task, read_snapshot(paths[task.key])) for task in tasks})

    snapshots = folder / "progress"
    try:
        shutil.rmtree(snapshots, ignore_errors=True)  # outdated snapshots of a killed run
        if todo:
            with suppress(OSError):  # workers write only if the folder exists
                snapshots.mkdir(exist_ok=True)
        finished = dispatch(
            todo,
            submit,
            jobs,
            open_executor,
            progress_of=newest_checkpoint,
            on_retry=on_retry,
            on_poll=on_progress,
            may_start=may_start,
        )
        with closing(finished), suppress(_OutOfTimeError):
            for task, future in finished:
                _remove_snapshot(folder, task)
                if (record := _record_of(task, future)) is not None:
                    yield task, record
    finally:
        for task in todo:
            _remove_snapshot(folder, task)
        with suppress(OSError):
            snapshots.rmdir()


def _record_of(task: Task, future: Future) -> Record | None:
    """Return the record of a finished future; a broken executor or an error makes a failed record.

    It is None if the cell stopped at the deadline.
    """
    error = future.exception()
    if isinstance(error, BrokenExecutor):
        reason = "its worker process died twice without progress: it was killed, or out of memory"
        return failed_record(task.cell, reason)
    if error is not None:
        reason = str(error) if isinstance(error, EbmoodError) else f"{type(error).__name__}: {error}"
        return failed_record(task.cell, reason)
    record = future.result()
    if record is None:
        return None
    if record.key != task.key:
        reason = (
            "the worker has other data files than this machine; copy the files, then run failed cells again"
        )
        return failed_record(task.cell, reason)
    return record


def _remove_snapshot(folder: Path, task: Task) -> None:
    CellPaths(folder, task.key).snapshot.unlink(missing_ok=True)
