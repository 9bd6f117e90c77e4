"""Runs the cells of a study: each once, several at a time, one record after another.

Cells leave this process through `ebmood.executors` alone (processes here, or a Dask cluster), and only this process
writes records. What stops a study stops it between two whole records.
"""

import shutil
from collections.abc import Callable, Collection, Generator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from ebmood.core.errors import EbmoodError
from ebmood.core.files import write_lock
from ebmood.executors.process import OneProcess
from ebmood.executors.spread import spread
from ebmood.study.cell import failed_record
from ebmood.study.files import CellFiles
from ebmood.study.plan import Plan, read_plan, write_plan
from ebmood.study.progress import Snapshot, read_snapshot
from ebmood.study.records import Record, append_record, read_records
from ebmood.study.spec import Study, Task
from ebmood.study.worker import work

RECORDS = "records.jsonl"
"""Name of the file of records in a study's folder."""


class Watcher:
    """Whoever wants to know how a study goes. This one does not."""

    def planned(self, study: Study, todo: Sequence[Task]) -> None:
        """The study, without seeds that were not asked for, is about to run `todo`; the others have their records."""

    def running(self, tasks: dict[str, tuple[Task, Snapshot | None]]) -> None:
        """The cells running now, by key, with their last report."""

    def retried(self, task: Task) -> None:
        """The worker of `task` died; another goes on with it."""

    def finished(self, task: Task, record: Record) -> None:
        """The record of `task` is on the disk."""


def run_study(
    study: Study,
    folder: Path,
    *,
    seeds: Collection[int] | None = None,
    jobs: int = 1,
    retry_failed: bool = False,
    resume: bool = True,
    tensorboard: bool = False,
    watcher: Watcher | None = None,
    open_executor: Callable[[], Executor] = OneProcess,
) -> list[Record]:
    """Run what is missing of `study` and return the records of all its cells, in the study's order.

    A cell is missing if `folder` holds no record of its key; one that failed is run again only if asked.

    Args:
        study: what to run.
        folder: gets `records.jsonl`, `study.json` with the plan of the study last run there,
            `metrics/KEY.jsonl`, and while cells run `progress/` and `checkpoints/`.
        seeds: run the cells of these seeds alone, and leave the others for another time; None for all.
        jobs: how many cells run at once, each on an executor of its own.
        retry_failed: also run cells again whose last record says failed.
        resume: cells that were stopped in the middle go on from their checkpoints; otherwise they begin anew.
        tensorboard: trainings write for TensorBoard too, under `tensorboard/`.
        watcher: is told how it goes.
        open_executor: makes an executor for one cell at a time. One that breaks is replaced, and its cell goes on from
            its last checkpoint; where it broke twice without a checkpoint in between, the cell is recorded as failed.
            `ebmood.executors.cluster` opens those of a cluster.

    Raises:
        EbmoodError: a seed is none of the study's, the folder cannot be written, another run is writing into
            it, or the cluster went away. Earlier records stay.
    """
    watcher = watcher or Watcher()
    wanted = replace(study, tasks=_of_seeds(study, seeds))
    with write_lock(folder):
        found = latest(read_records(folder / RECORDS))
        done = {key for key, record in found.items() if record.status == "done" or not retry_failed}
        todo = [task for task in wanted.tasks if task.key not in done]
        for task in todo if not resume else ():
            shutil.rmtree(CellFiles(folder, task.key).checkpoints, ignore_errors=True)
        write_plan(folder, _plan(study, wanted))
        watcher.planned(wanted, todo)
        running = _run(todo, folder.resolve(), jobs, tensorboard, watcher, open_executor)
        with closing(running) as finished:
            for task, record in finished:
                append_record(folder / RECORDS, record)
                shutil.rmtree(CellFiles(folder, task.key).checkpoints, ignore_errors=True)
                found[task.key] = record
                watcher.finished(task, record)
        with suppress(OSError):  # where nothing is left to go on from
            (folder / "checkpoints").rmdir()
    return [found[task.key] for task in study.tasks if task.key in found]


def read_study(folder: Path) -> tuple[Plan, list[Record]]:
    """The plan and the records of the study last run in `folder`: the newest of each cell, in its order.

    Raises:
        EbmoodError: the folder holds no records, or they cannot be read.
    """
    found = latest(read_records(folder / RECORDS))
    if not found:
        raise EbmoodError(f"{folder / RECORDS}: no records; run `ebmood study ... -o {folder}` first")
    # Records alone make tables too.
    plan = read_plan(folder) or Plan(title=folder.name, keys=tuple(found))
    return plan, [found[key] for key in plan.keys if key in found]


def _of_seeds(study: Study, seeds: Collection[int] | None) -> tuple[Task, ...]:
    if seeds is None:
        return study.tasks
    known = sorted({task.cell.seed for task in study.tasks})
    for seed in seeds:
        if seed not in known:
            raise EbmoodError(
                f"seed {seed} is none of the study's, which are {', '.join(map(str, known))}; mend --seed"
            )
    return tuple(task for task in study.tasks if task.cell.seed in seeds)


def _plan(study: Study, wanted: Study) -> Plan:
    kept = {task.key for task in wanted.tasks}
    return Plan(
        name=study.name,
        title=study.title,
        keys=tuple(task.key for task in study.tasks),
        names=tuple(task.name for task in study.tasks),
        seeds=study.seeds,
        left_out=tuple(task.key for task in study.tasks if task.key not in kept),
    )


def latest(records: Sequence[Record]) -> dict[str, Record]:
    """The newest record of each key."""
    return {record.key: record for record in records}


def _run(
    todo: Sequence[Task],
    folder: Path,
    jobs: int,
    tensorboard: bool,
    watcher: Watcher,
    open_executor: Callable[[], Executor],
) -> Generator[tuple[Task, Record], None, None]:
    """Each task with its record, as they are done."""

    def submit(executor: Executor, task: Task) -> Future:
        return executor.submit(work, task.cell, CellFiles(folder, task.key), tensorboard)

    def reached(task: Task) -> int:
        return CellFiles(folder, task.key).reached

    def retried(task: Task) -> None:
        _file(folder, task).unlink(missing_ok=True)
        watcher.retried(task)

    def running(tasks: list[Task]) -> None:
        watcher.running({task.key: (task, read_snapshot(_file(folder, task))) for task in tasks})

    try:
        shutil.rmtree(folder / "progress", ignore_errors=True)  # left by a run that was killed, and not true
        if todo:
            with suppress(OSError):  # Workers write into it where they see it, and never make it.
                (folder / "progress").mkdir(exist_ok=True)
        finished = spread(
            todo, submit, jobs, open_executor, reached=reached, retried=retried, running=running
        )
        with closing(finished):
            for task, future in finished:
                _file(folder, task).unlink(missing_ok=True)
                yield task, _outcome(task, future)
    finally:
        for task in todo:
            _file(folder, task).unlink(missing_ok=True)
        with suppress(OSError):
            (folder / "progress").rmdir()


def _outcome(task: Task, future: Future) -> Record:
    error = future.exception()
    if isinstance(error, BrokenExecutor):
        return failed_record(
            task.cell, "its worker process died twice and came no further: killed, or out of memory"
        )
    if error is not None:
        reason = str(error) if isinstance(error, EbmoodError) else f"{type(error).__name__}: {error}"
        return failed_record(task.cell, reason)
    record = future.result()
    if record.key != task.key:
        reason = (
            "the data are not the same here and where it ran; give both the same files, then --retry-failed"
        )
        return failed_record(task.cell, reason)
    return record


def _file(folder: Path, task: Task) -> Path:
    return CellFiles(folder, task.key).progress
