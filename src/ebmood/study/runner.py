"""Runs the cells of a study: each once, several at a time, one record after another.

Cells leave this process through `concurrent.futures.Executor` alone (processes here; Dask's
`Client.get_executor` on a cluster), and only this process writes records. What stops a study
stops it between two whole records.
"""

import json
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ebmood.errors import EbmoodError
from ebmood.files import write_text
from ebmood.study.cell import failed_record
from ebmood.study.progress import Snapshot, read_snapshot
from ebmood.study.records import Record, append_record, read_records
from ebmood.study.spec import Study, Task
from ebmood.study.worker import OneProcess, work

RECORDS = "records.jsonl"
"""Name of the file of records in a study's folder."""

POLL = 0.5
"""Seconds between two looks at what is running."""


class Watcher:
    """Whoever wants to know how a study goes. This one does not."""

    def planned(self, study: Study, todo: Sequence[Task]) -> None:
        """The study is about to run the cells `todo`; the others have their records already."""

    def running(self, tasks: dict[str, tuple[Task, Snapshot | None]]) -> None:
        """The cells running now, by key, with their last report."""

    def retried(self, task: Task) -> None:
        """The worker of `task` died; it is tried once more."""

    def finished(self, task: Task, record: Record) -> None:
        """The record of `task` is on the disk."""


def run_study(
    study: Study,
    folder: Path,
    *,
    jobs: int = 1,
    retry_failed: bool = False,
    watcher: Watcher | None = None,
    open_executor: Callable[[], Executor] = OneProcess,
) -> list[Record]:
    """Run what is missing of `study` and return the records of all its cells, in the study's order.

    A cell is missing if `folder` holds no record of its key; one that failed is run again only if asked.

    Args:
        study: what to run.
        folder: gets `records.jsonl`, and `study.json` with the keys of the study last run there.
        jobs: how many cells run at once, each on an executor of its own.
        retry_failed: also run cells again whose last record says failed.
        watcher: is told how it goes.
        open_executor: makes an executor for one cell at a time. One that breaks is replaced, and its cell
            tried once more before it is recorded as failed.

    Raises:
        EbmoodError: the folder cannot be written, or another study is writing into it. Earlier records stay.
    """
    watcher = watcher or Watcher()
    with _only_writer(folder):
        found = latest(read_records(folder / RECORDS))
        done = {key for key, record in found.items() if record.status == "done" or not retry_failed}
        todo = [task for task in study.tasks if task.key not in done]
        about = {"name": study.name, "title": study.title, "keys": [task.key for task in study.tasks]}
        write_text(folder / "study.json", json.dumps(about, indent=1))
        watcher.planned(study, todo)
        with closing(_run(todo, folder / "progress", jobs, watcher, open_executor)) as finished:
            for task, record in finished:
                append_record(folder / RECORDS, record)
                found[task.key] = record
                watcher.finished(task, record)
    return [found[task.key] for task in study.tasks if task.key in found]


def read_study(folder: Path) -> tuple[str, list[Record]]:
    """The title and the records of the study last run in `folder`: the newest of each cell, in its order.

    Raises:
        EbmoodError: the folder holds no records, or they cannot be read.
    """
    found = latest(read_records(folder / RECORDS))
    if not found:
        raise EbmoodError(f"{folder / RECORDS}: no records; run `ebmood study ... -o {folder}` first")
    try:
        about = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    except FileNotFoundError:  # Records alone make tables too.
        about = {"title": folder.name, "keys": list(found)}
    except (OSError, ValueError) as error:
        raise EbmoodError(
            f"{folder / 'study.json'}: cannot be read ({error}); remove it and try again"
        ) from error
    return about["title"], [found[key] for key in about["keys"] if key in found]


def latest(records: Sequence[Record]) -> dict[str, Record]:
    """The newest record of each key."""
    return {record.key: record for record in records}


@dataclass(frozen=True)
class _Run:
    task: Task
    executor: Executor


def _run(
    todo: Sequence[Task], folder: Path, jobs: int, watcher: Watcher, open_executor: Callable[[], Executor]
) -> Generator[tuple[Task, Record], None, None]:
    """Each task with its record, as they are done."""
    waiting = deque(todo)
    tried: set[str] = set()
    idle: list[Executor] = []
    runs: dict[Future, _Run] = {}
    try:
        while waiting or runs:
            while waiting and len(runs) < jobs:
                task = waiting.popleft()
                executor = idle.pop() if idle else open_executor()
                try:
                    runs[executor.submit(work, task.cell, _file(folder, task))] = _Run(task, executor)
                except BrokenExecutor:  # It died while idle, which is no fault of this task.
                    executor.shutdown()
                    waiting.appendleft(task)
            ready, _ = wait(runs, timeout=POLL, return_when=FIRST_COMPLETED)
            for future in ready:
                run = runs.pop(future)
                error = future.exception()
                _file(folder, run.task).unlink(missing_ok=True)
                if isinstance(error, BrokenExecutor):
                    run.executor.shutdown()
                    if run.task.key not in tried:
                        tried.add(run.task.key)
                        waiting.appendleft(run.task)
                        watcher.retried(run.task)
                        continue
                    reason = "its worker process died twice: killed, or out of memory"
                    yield run.task, failed_record(run.task.cell, reason)
                    continue
                idle.append(run.executor)
                if error is not None:
                    yield run.task, failed_record(run.task.cell, f"{type(error).__name__}: {error}")
                else:
                    yield run.task, future.result()
            watcher.running(
                {run.task.key: (run.task, read_snapshot(_file(folder, run.task))) for run in runs.values()}
            )
    finally:
        for executor in [*idle, *(run.executor for run in runs.values())]:
            executor.shutdown(cancel_futures=True)
        for run in runs.values():
            _file(folder, run.task).unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()


def _file(folder: Path, task: Task) -> Path:
    return folder / f"{task.key}.json"


@contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system lets go of it when this process ends, however it ends."""
    path = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire(timeout=0)
    except Timeout:
        owner = path.read_text() or "unknown"
        raise EbmoodError(
            f"{folder}: another study is writing here (process {owner}); wait, or choose another folder"
        ) from None
    except OSError as error:
        raise EbmoodError(
            f"{folder}: cannot be written ({error.strerror or error}); choose another folder with -o"
        ) from error
    try:
        path.write_text(str(os.getpid()))
        yield
    finally:
        lock.release()
