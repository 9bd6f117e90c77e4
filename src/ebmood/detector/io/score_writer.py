"""Write scores in batches to a file or to standard output. A file gets its name only when it is complete."""

import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pyarrow
from pyarrow import parquet

from ebmood.core.errors import EbmoodError
from ebmood.core.files import atomic_path
from ebmood.detector.cells.cell_values import drop_unreadable_times
from ebmood.detector.io.open_input import STANDARD
from ebmood.detector.score_batch import ScoreBatch

SCORE_COLUMNS = ("score", "p_value", "flag", "reasons", "error")
"""The columns that are written after the kept columns, the last two only if they are asked for."""

REASON_SEPARATOR = "; "

_SPECIAL = re.compile(r'[",\r\n]')


@contextmanager
def open_score_writer(
    out: Path | str, metadata: dict[str, str] | None = None
) -> Iterator[Callable[[ScoreBatch], None]]:
    """Yield a function that writes score batches to `out`: `.csv`, `.parquet`, or `-` for CSV on standard output.

    A file is written under a temporary name and renamed when the block ends without an exception.

    Args:
        out: the file.
        metadata: key-value metadata of a `.parquet` file.

    Raises:
        EbmoodError: the file has another format or cannot be written, or a kept column has the name of a score column.
    """
    if str(out) == STANDARD:
        with _standard_output() as file:
            yield _CSVWriter(file).write
        return
    path = Path(out).expanduser()
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet") or path.is_dir():
        raise EbmoodError(
            f"{path}: scores are written to .csv, .parquet or - (standard output); give such a file"
        )
    with atomic_path(path) as temporary:
        if suffix == ".csv":
            with open(temporary, "w", encoding="utf-8", newline="") as file:
                yield _CSVWriter(file).write
                file.flush()
                os.fsync(file.fileno())
        else:
            with open(temporary, "wb") as file:
                writer = _ParquetWriter(file, metadata or {})
                try:
                    yield writer.write
                finally:  # otherwise its destructor writes to the closed file
                    writer.close()
                file.flush()
                os.fsync(file.fileno())


def _to_record_batch(batch: ScoreBatch) -> pyarrow.RecordBatch:
    kept_columns = batch.kept_columns
    columns = [] if kept_columns is None else kept_columns.columns
    names = [] if kept_columns is None else kept_columns.schema.names
    conflict = next((name for name in names if name in SCORE_COLUMNS), None)
    if conflict:
        raise EbmoodError(f"--keep {conflict}: the scores have a column of this name; rename it in the table")
    bad = np.isnan(batch.scores)
    results = {
        name: pyarrow.array(values, mask=bad)
        for name, values in zip(SCORE_COLUMNS, (batch.scores, batch.p_values, batch.flags), strict=False)
    }
    if batch.reasons is not None:
        texts = [REASON_SEPARATOR.join(columns) or None for columns in batch.reasons]
        results["reasons"] = pyarrow.array(texts, pyarrow.string())
    if batch.errors is not None:
        texts = [batch.errors.get(row) for row in range(len(bad))]
        results["error"] = pyarrow.array(texts, pyarrow.string())
    return pyarrow.RecordBatch.from_arrays([*columns, *results.values()], names=[*names, *results])


class _CSVWriter:
    """Writes floats with full precision, `true` and `false`, and an empty cell for null."""

    def __init__(self, file: TextIO):
        self._file = file
        self._has_header = False

    def write(self, batch: ScoreBatch) -> None:
        rows = _to_record_batch(batch)
        if not self._has_header:
            self._write_row(rows.schema.names)
            self._has_header = True
        for row in zip(*map(_to_text, rows.schema.names, rows.columns), strict=True):
            self._write_row(row)

    def _write_row(self, cells: Iterable[Any]) -> None:
        # The csv module does not quote a carriage return if lines end with \n, and readers take it for a line break.
        texts = ["" if cell is None else str(cell) for cell in cells]
        quoted = ['"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text for text in texts]
        self._file.write((",".join(quoted) if quoted != [""] else '""') + "\n")


class _ParquetWriter:
    def __init__(self, file: io.BufferedWriter, metadata: dict[str, str]):
        self._file = file
        self._metadata = metadata
        self._writer: parquet.ParquetWriter | None = None

    def write(self, batch: ScoreBatch) -> None:
        rows = _to_record_batch(batch)
        if self._writer is None:
            schema = rows.schema.with_metadata(self._metadata) if self._metadata else rows.schema
            self._writer = parquet.ParquetWriter(self._file, schema)
        writer = self._writer
        changed = next((a for a, b in zip(rows.schema, writer.schema, strict=True) if a.type != b.type), None)
        if changed:
            raise EbmoodError(
                f"--keep {changed.name}: the column has type {changed.type} in one file of the table and another type "
                "in an earlier one; write to .csv, or leave it out"
            )
        writer.write_batch(rows.cast(writer.schema))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _to_text(name: str, column: pyarrow.Array) -> list[Any]:
    errors = drop_unreadable_times(column)[1]
    if errors:
        problem = next(iter(errors.values()))
        raise EbmoodError(f"--keep {name}: holds {problem}; write to .parquet, or leave it out")
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
        # Buffered text cannot be written any more. Without this, Python would try again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise EbmoodError(
            f"standard output: cannot be written ({error.strerror or error}); the output is incomplete"
        ) from error
    finally:
        file.detach()
