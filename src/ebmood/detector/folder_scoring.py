"""A folder of Parquet files to a folder of scores, each file a piece of work of its own.

Every file of scores says in its metadata what it was made from: the SHA-256 of the model and of the table, the
options, and the version of this library. Where all of that is what is asked for, the file is whole and stays.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow
from pyarrow import parquet

from ebmood.core.errors import EbmoodError
from ebmood.core.files import only_writer
from ebmood.detector.io.score_writer import open_scores
from ebmood.detector.io.table_stream import open_table, opened, parquet_files
from ebmood.detector.persistence.detector_files import JSON_NAME
from ebmood.detector.preparation import named
from ebmood.detector.table_detector import Scored, TableDetector, Watch
from ebmood.executors.process import OneProcess, one_thread
from ebmood.executors.spread import spread

NOTE = "ebmood.scores_of"
"""The key of the metadata that says what a file of scores was made from."""


@dataclass(frozen=True)
class FileScores:
    """What came of one file.

    Attributes:
        rows, flagged: how many it has, and how many of them are flagged.
        fresh: it was scored now; otherwise it was there, whole.
    """

    rows: int
    flagged: int
    fresh: bool


@dataclass
class FolderScores:
    """What came of a folder.

    Attributes:
        done: by the path of a table inside the folder.
        failed: why a table could not be scored, by its path.
    """

    done: dict[Path, FileScores] = field(default_factory=dict)
    failed: dict[Path, str] = field(default_factory=dict)


def score_folder(
    model: Path,
    folder: Path,
    out: Path,
    *,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    device: str = "cpu",
    jobs: int = 1,
    open_executor: Callable[[], Executor] = OneProcess,
    watch: Watch = lambda _doing, _share: None,
) -> FolderScores:
    """Score each Parquet file of a folder to a file of its name in `out`; one that is there already, whole, stays.

    A table that cannot be scored costs its own scores and no others.

    Args:
        model: the folder of a fitted detector of tables.
        folder: with `.parquet` files, also in folders in it; they need not have the same columns in the same order.
        out: made where it is missing; on a cluster, on a disk that all workers see, as `model` and `folder` are.
        keep: columns to copy, by name or pattern.
        drop: further columns that the fit did not know.
        device: where workers compute: `cpu`, `cuda` or `auto`.
        jobs: how many files at once, each on an executor of its own and on one thread.
        open_executor: makes an executor; see `ebmood.executors`.
        watch: told of progress.

    Raises:
        EbmoodError: no `.parquet` files, `out` cannot be written or lies in `folder`, another run writes there, or
            the cluster went away. Files that were finished by then stay.
    """
    model, folder, out = model.resolve(), folder.resolve(), out.resolve()
    if out.is_relative_to(folder):
        raise EbmoodError(f"{out}: lies in the folder of the tables; give -o another one")
    tables = [path.relative_to(folder) for path in parquet_files(folder)]
    outcome = FolderScores()

    def submit(executor: Executor, name: Path) -> Future:
        return executor.submit(score_file, model, folder / name, out / name, tuple(keep), tuple(drop), device)

    with only_writer(out):
        for place in {(out / name).parent for name in tables}:
            place.mkdir(parents=True, exist_ok=True)
        try:
            watch("scoring", 0.0)
            with closing(spread(tables, submit, jobs, open_executor)) as finished:
                for name, future in finished:
                    error = _reason(future, out / name)
                    if error:
                        outcome.failed[name] = error
                    else:
                        outcome.done[name] = future.result()
                    watch("scoring", (len(outcome.done) + len(outcome.failed)) / len(tables))
        finally:  # what a killed process left
            for place in {(out / name).parent for name in tables}:
                for path in place.glob(".*.partial.parquet"):
                    path.unlink(missing_ok=True)
    return outcome


def score_file(
    model: Path, table: Path, out: Path, keep: tuple[str, ...], drop: tuple[str, ...], device: str
) -> FileScores:
    """Score one Parquet file on one thread, unless its scores are there; what a worker runs.

    Raises:
        EbmoodError: model or table cannot be used, or the folder of `out` is not in sight.
    """
    with one_thread():
        digest = _sha256(model / JSON_NAME)  # it names the weights by their content
        made_from = {
            "model": digest,
            "table": _sha256(table),
            "keep": list(keep),
            "drop": list(drop),
            "device": device,
            "ebmood": version("ebmood"),
        }
        note = {NOTE: json.dumps(made_from)}
        there = _whole(out, note)
        if there:
            return there
        if not out.parent.is_dir():
            raise EbmoodError(f"{out.parent}: no such folder; OUT must lie on a disk that all workers see")
        detector = _detector(model, digest, device)
        rows = flagged = 0
        with open_scores(out, note) as write:
            pieces = _no_rows(table, keep) or detector.scored(open_table(table), keep, drop)
            for piece in pieces:
                write(piece)
                rows += len(piece.scores)
                flagged += int(piece.flags.sum())
        return FileScores(rows, flagged, fresh=True)


@lru_cache(maxsize=1)
def _detector(model: Path, digest: str, device: str) -> TableDetector:
    """The model, loaded once by each worker; `digest` tells one that was fitted anew from the old."""
    return TableDetector.load(model, device)


def _whole(out: Path, note: dict[str, str]) -> FileScores | None:
    """What is in `out`, if it was made from the same."""
    try:
        with parquet.ParquetFile(out) as file:
            found = (file.schema_arrow.metadata or {}).get(NOTE.encode(), b"").decode()
            if found != note[NOTE]:
                return None
            flags = file.read(columns=["flag"]).column(0)
            return FileScores(file.metadata.num_rows, flags.to_pylist().count(True), fresh=False)
    except (OSError, pyarrow.ArrowException):
        return None


def _no_rows(table: Path, keep: Sequence[str]) -> list[Scored]:
    """The scores of a table without rows, which Spark leaves beside others; an empty list where it has some."""
    with opened(table) as file:
        if file.metadata.num_rows:
            return []
        schema = file.schema_arrow
    kept = pyarrow.schema([schema.field(name) for name in named(keep, schema.names, str(table), "--keep")])
    nothing = np.zeros(0)
    return [Scored(pyarrow.RecordBatch.from_pylist([], kept), nothing, nothing, nothing.astype(bool))]


def _reason(future: Future, out: Path) -> str | None:
    error = future.exception()
    if isinstance(error, BrokenExecutor):
        return "its worker process died twice: killed, or out of memory"
    if error is not None:
        return str(error) if isinstance(error, EbmoodError) else f"{type(error).__name__}: {error}"
    if not out.exists():
        return f"{out}: a worker wrote it, but it is not here; OUT must lie on a disk that all workers see"
    return None


def _sha256(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EbmoodError(f"{path}: cannot be read ({error.strerror or error})") from error
