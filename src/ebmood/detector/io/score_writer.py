"""Scores to a file or to standard output, piece by piece; a file has its name only once it is whole."""

import csv
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import pyarrow
from pyarrow import parquet

from ebmood.core.errors import EbmoodError
from ebmood.core.files import atomic_path
from ebmood.detector.io.table_stream import STANDARD
from ebmood.detector.table_detector import Scored

NAMES = ("score", "p_value", "flag")
"""The columns that are written, behind those kept."""


@contextmanager
def open_scores(out: Path | str, note: dict[str, str] | None = None) -> Iterator[Callable[[Scored], None]]:
    """A function that writes scored rows to `out`: `.csv`, `.parquet`, or `-` for CSV on standard output.

    Rows go to a temporary name beside the file, which takes its place at the end of a block without exception.

    Args:
        out: where to.
        note: metadata for a `.parquet` file.

    Raises:
        EbmoodError: another kind of file, or the disk is full or cannot be written, or a kept column is called as
            one of ours.
    """
    if str(out) == STANDARD:
        with _standard_output() as file:
            yield _CSVWriter(file).write
        return
    path = Path(out).expanduser()
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet") or path.is_dir():
        raise EbmoodError(f"{path}: scores go to .csv, .parquet or - (standard output); name such a file")
    with atomic_path(path) as temporary:
        if suffix == ".csv":
            with open(temporary, "w", encoding="utf-8", newline="") as file:
                yield _CSVWriter(file).write
                file.flush()
                os.fsync(file.fileno())
        else:
            with open(temporary, "wb") as file:
                writer = _ParquetWriter(file, note or {})
                try:
                    yield writer.write
                finally:  # or else it would try to when it is forgotten, in a file that is closed
                    writer.close()
                file.flush()
                os.fsync(file.fileno())


def _batch(scored: Scored) -> pyarrow.RecordBatch:
    kept = scored.kept
    clash = next((name for name in kept.schema.names if name in NAMES), None)
    if clash:
        raise EbmoodError(f"--keep {clash}: a column of the scores is called so; rename it in the table")
    ours = [pyarrow.array(values) for values in (scored.scores, scored.p_values, scored.flags)]
    return pyarrow.RecordBatch.from_arrays([*kept.columns, *ours], names=[*kept.schema.names, *NAMES])


class _CSVWriter:
    """Floats at full precision, `true` and `false`, empty where there is nothing."""

    def __init__(self, file: TextIO):
        self._writer = csv.writer(file, lineterminator="\n")
        self._begun = False

    def write(self, scored: Scored) -> None:
        batch = _batch(scored)
        if not self._begun:
            self._writer.writerow(batch.schema.names)
            self._begun = True
        self._writer.writerows(zip(*map(_texts, batch.columns), strict=True))


class _ParquetWriter:
    def __init__(self, file: io.BufferedWriter, note: dict[str, str]):
        self._file = file
        self._note = note
        self._writer: parquet.ParquetWriter | None = None

    def write(self, scored: Scored) -> None:
        batch = _batch(scored)
        if self._writer is None:
            schema = batch.schema.with_metadata(self._note) if self._note else batch.schema
            self._writer = parquet.ParquetWriter(self._file, schema)
        writer = self._writer
        odd = next((a for a, b in zip(batch.schema, writer.schema, strict=True) if a.type != b.type), None)
        if odd:
            raise EbmoodError(
                f"--keep {odd.name}: the column changes its type to {odd.type} between the files of the table; write "
                "to .csv, or leave it out"
            )
        writer.write_batch(batch.cast(writer.schema))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _texts(column: pyarrow.Array) -> list[Any]:
    values = column.to_pylist()
    if pyarrow.types.is_boolean(column.type):
        return [None if value is None else str(value).lower() for value in values]
    return values


@contextmanager
def _standard_output() -> Iterator[TextIO]:
    file = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
    try:
        yield file
        file.flush()
    except OSError as error:
        # What is still in the buffers cannot go anywhere, and must not be tried again when Python leaves.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise EbmoodError(
            f"standard output: cannot be written ({error.strerror or error}); what came is not whole"
        ) from error
    finally:
        file.detach()
