"""Score a folder of Parquet files to a folder of scores. Each file is scored independently, also in other processes.

The metadata of every file of scores describe its origin: the SHA-256 of detector and table, the options, and the
version of this library. A complete file with the same origin is not scored again.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow
from pyarrow import parquet

from ebmood.core.errors import EbmoodError
from ebmood.core.files import write_lock
from ebmood.core.interface import shell_messages
from ebmood.detector.io.column_names import match_columns
from ebmood.detector.io.parquet_stream import ParquetStream, list_parquet_files, open_parquet
from ebmood.detector.io.score_writer import open_score_writer
from ebmood.detector.persistence.detector_files import JSON_NAME
from ebmood.detector.progress_callback import ProgressCallback, ignore_progress
from ebmood.detector.raw.score_options import STRICT, ScoreOptions
from ebmood.detector.raw.table_detector import TableDetector
from ebmood.detector.score_batch import ScoreBatch
from ebmood.executors.dispatch import dispatch
from ebmood.executors.process import SingleProcessExecutor, one_thread

ORIGIN_KEY = "ebmood.scores_of"
"""Key of the origin in the metadata of a file of scores."""


@dataclass(frozen=True)
class FileScores:
    """The result for one file.

    Attributes:
        rows: number of rows.
        flagged: number of flagged rows.
        is_new: true if it was scored now, false if a complete file of scores already existed.
        bad_rows: number of rows that could not be read.
    """

    rows: int
    flagged: int
    is_new: bool
    bad_rows: int = 0


@dataclass
class FolderScores:
    """The results for a folder.

    Attributes:
        completed: results by the path of a table inside the folder.
        failed: reasons why a table could not be scored, by its path.
    """

    completed: dict[Path, FileScores] = field(default_factory=dict)
    failed: dict[Path, str] = field(default_factory=dict)

    def add(self, name: Path, future: Future, out: Path) -> None:
        """Store the outcome of a finished task that should have written `out`."""
        reason = _failure(future, out)
        if reason:
            self.failed[name] = reason
        else:
            self.completed[name] = future.result()


def score_folder(
    model: Path,
    folder: Path,
    out: Path,
    *,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    device: str = "cpu",
    alpha: float | None = None,
    options: ScoreOptions = STRICT,
    jobs: int = 1,
    open_executor: Callable[[], Executor] = SingleProcessExecutor,
    progress: ProgressCallback = ignore_progress,
) -> FolderScores:
    """Score each Parquet file of a folder to a file of the same name in `out`.

    Complete files of scores with the same origin are not scored again. A table that cannot be scored does not affect
    the others.

    Args:
        model: the folder of a fitted detector of tables.
        folder: the `.parquet` files, also in subfolders. They need not have the same columns in the same order.
        out: created if it does not exist. On a cluster it must be on a file system that all workers can access, as
            `model` and `folder` must.
        keep: columns to copy, by name or pattern.
        drop: further columns that were not in the training data.
        device: device of the workers: `cpu`, `cuda` or `auto`.
        alpha: level of the flags; None for that of the fit.
        options: what to do with bad rows, and how many reasons to give.
        jobs: number of files at the same time, each with an executor and one thread.
        open_executor: creates an executor; see `ebmood.executors`.
        progress: called with the progress of scoring.

    Raises:
        EbmoodError: there are no `.parquet` files, `out` cannot be written or is inside `folder`, another process
            writes to it, or the cluster was lost. Files that are already finished are kept.
    """
    model, folder, out = model.resolve(), folder.resolve(), out.resolve()
    if out.is_relative_to(folder):
        raise EbmoodError(f"{out}: is inside the folder of the tables; give another folder with -o")
    tables = [path.relative_to(folder) for path in list_parquet_files(folder)]
    scores = FolderScores()

    def submit(executor: Executor, name: Path) -> Future:
        files = (model, folder, name, out / name)
        return executor.submit(score_file, *files, tuple(keep), tuple(drop), device, alpha, options)

    with write_lock(out):
        subfolders = {(out / name).parent for name in tables}
        for subfolder in subfolders:
            subfolder.mkdir(parents=True, exist_ok=True)
        try:
            progress("scoring", 0.0)
            with closing(dispatch(tables, submit, jobs, open_executor)) as finished:
                for count, (name, future) in enumerate(finished, start=1):
                    scores.add(name, future, out / name)
                    progress("scoring", count / len(tables))
        finally:
            _delete_partial_files(subfolders)
    return scores


def score_file(
    model: Path,
    folder: Path,
    name: Path,
    out: Path,
    keep: tuple[str, ...],
    drop: tuple[str, ...],
    device: str,
    alpha: float | None = None,
    options: ScoreOptions = STRICT,
) -> FileScores:
    """Score the Parquet file `name` of a folder on one thread, unless its scores exist. Workers run this function.

    Raises:
        EbmoodError: the detector or the table cannot be used, or the folder of `out` does not exist on this machine.
    """
    table = folder / name
    with shell_messages(), one_thread():  # only `ebmood score` starts workers
        digest = _sha256(model / JSON_NAME)  # this file contains the digests of the weights
        origin = {
            "model": digest,
            "table": _sha256(table),
            "keep": list(keep),
            "drop": list(drop),
            "device": device,
            "alpha": alpha,
            "options": asdict(options),
            "ebmood": version("ebmood"),
        }
        metadata = {ORIGIN_KEY: json.dumps(origin)}
        existing = _read_existing(out, metadata)
        if existing:
            return existing
        if not out.parent.is_dir():
            raise EbmoodError(
                f"{out.parent}: no such folder; OUT must be on a file system that all workers can access"
            )
        detector = _load_detector(model, digest, device, alpha)
        rows = flagged = bad_rows = 0
        stream = ParquetStream(folder, [table])
        with open_score_writer(out, metadata) as write:
            for batch in _score_empty_table(stream, table, keep, options) or detector.score(
                stream, keep, drop, options=options
            ):
                write(batch)
                rows += len(batch.scores)
                flagged += int(batch.flags.sum())
                bad_rows += len(batch.errors or ())
        return FileScores(rows, flagged, is_new=True, bad_rows=bad_rows)


@lru_cache(maxsize=1)
def _load_detector(model: Path, digest: str, device: str, alpha: float | None) -> TableDetector:
    """Load the detector once in each worker. `digest` makes the cache notice that it was fitted again."""
    detector = TableDetector.load(model, device)
    if alpha is not None:
        detector.estimator.set_alpha(alpha)
    return detector


def _read_existing(out: Path, metadata: dict[str, str]) -> FileScores | None:
    """Return the result in `out` if the file is complete and has the same origin, and else None."""
    try:
        with parquet.ParquetFile(out) as file:
            origin = (file.schema_arrow.metadata or {}).get(ORIGIN_KEY.encode(), b"").decode()
            if origin != metadata[ORIGIN_KEY]:
                return None
            flags = file.read(columns=["flag"]).column(0)
            flagged = flags.to_pylist().count(True)
            return FileScores(file.metadata.num_rows, flagged, is_new=False, bad_rows=flags.null_count)
    except (OSError, pyarrow.ArrowException):
        return None


def _score_empty_table(
    stream: ParquetStream, table: Path, keep: Sequence[str], options: ScoreOptions
) -> list[ScoreBatch]:
    """Return one batch without rows if the table has none, and else an empty list. Spark writes such files."""
    with open_parquet(table) as file:
        if file.metadata.num_rows:
            return []
        schema = file.schema_arrow
    names = match_columns(keep, stream.names, str(table), "--keep")
    fields = [schema.field(name) if name in schema.names else (name, pyarrow.string()) for name in names]
    kept_columns = pyarrow.RecordBatch.from_pylist([], pyarrow.schema(fields))
    empty = ScoreBatch(np.zeros(0), np.zeros(0), np.zeros(0, dtype=bool), kept_columns)
    errors = {} if options.mark_bad_rows else None
    return [replace(empty, errors=errors, reasons=[] if options.reasons else None)]


def _delete_partial_files(folders: set[Path]) -> None:
    """Delete temporary files of processes that were killed."""
    for folder in folders:
        for path in folder.glob(".*.partial.parquet"):
            path.unlink(missing_ok=True)


def _failure(future: Future, out: Path) -> str | None:
    """Return why a finished task failed, or None if it succeeded."""
    error = future.exception()
    if isinstance(error, BrokenExecutor):
        return "its worker process died twice: it was killed, or ran out of memory"
    if error is not None:
        return str(error) if isinstance(error, EbmoodError) else f"{type(error).__name__}: {error}"
    if not out.exists():
        return (
            f"{out}: a worker wrote it, but it does not exist here; OUT must be on a file system that all workers can "
            "access"
        )
    return None


def _sha256(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EbmoodError(f"{path}: cannot be read ({error.strerror or error})") from error
