"""Read Parquet files, or a folder of them, in chunks of a part of a row group."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import pyarrow
from pyarrow import parquet

from ebmood.core.errors import EbmoodError, one_line
from ebmood.detector.io.nested_columns import flat_columns, flat_names
from ebmood.detector.io.table_stream import (
    Chunk,
    TableStream,
    check_names,
    check_unchanged,
    file_state,
    read_errors,
)

CHUNK_CELLS = 2**18
"""Cells that are read at once."""

BUFFER_BYTES = 2**16
"""Bytes of a column that are read ahead."""

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
"""Folder name of rows whose value is missing."""


class ParquetStream(TableStream):
    """A table in one or more Parquet files with the same columns.

    A folder `site=north` inside the folder of the table gives all rows of its files a column `site`, as Hive and Spark
    write them. It is missing in files outside of such folders. A column of structs becomes columns such as
    `sensor.flow`.

    Args:
        path: the file or the folder, for messages.
        files: the files, in order.

    Raises:
        EbmoodError: the first file cannot be read, or a column name occurs twice.
    """

    def __init__(self, path: Path, files: list[Path]):
        self.source = str(path)
        self._files = files
        self._states = [file_state(file) for file in files]
        partitions = [partition_values(path, file) for file in files]
        names = dict.fromkeys(name for partition in partitions for name in partition)
        self._partitions = [{name: partition.get(name) for name in names} for partition in partitions]
        self.optional = frozenset(names)
        with open_parquet(files[0]) as file:
            self.names = self._column_names(files[0], file, self._partitions[0])

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Yield all rows of some columns; this implements `TableStream.chunks`."""
        total_bytes = sum(state[1] for state in self._states)
        bytes_read = rows_read = 0
        for path, state, partition in zip(self._files, self._states, self._partitions, strict=True):
            with open_parquet(path) as file:
                self._check_same_columns(path, self._column_names(path, file, partition))
                first_row, file_rows = 0, max(1, file.metadata.num_rows)
                size = min(2**16, max(2**8, CHUNK_CELLS // _cells_per_row(file, columns)))
                stored = [name for name in columns if name not in partition]
                for batch in _batches(file, size, stored):
                    if batch.num_rows:
                        rows = _add_columns(_flat_batch(batch), partition)
                        yield Chunk(str(path), first_row, rows.select(columns))
                    first_row += batch.num_rows
                    self.fraction = (bytes_read + state[1] * first_row / file_rows) / max(1, total_bytes)
                check_unchanged(path, state)
            bytes_read += state[1]
            rows_read += first_row
        if not rows_read:
            raise EbmoodError(f"{self.source}: the table has no rows")

    @staticmethod
    def _column_names(
        path: Path, file: parquet.ParquetFile, partition: Mapping[str, str | None]
    ) -> tuple[str, ...]:
        """Return the column names without the index that pandas stores beside the columns."""
        stored = [name for name in flat_names(file.schema_arrow) if not name.startswith("__index_level_")]
        names = (*stored, *(name for name in partition if name not in stored))
        check_names(str(path), names)
        return names

    def _check_same_columns(self, path: Path, names: tuple[str, ...]) -> None:
        different = sorted(set(names) ^ set(self.names))
        if different:
            raise EbmoodError(
                f"{path}: column {different[0]!r} is in only one of {self._files[0].name} and {path.name}; all files "
                "of a folder must have the same columns"
            )


def list_parquet_files(folder: Path) -> list[Path]:
    """Return the `.parquet` files of a folder and its subfolders, sorted by name.

    Raises:
        EbmoodError: there are none.
    """
    files = [
        path
        for path in sorted(folder.rglob("*.parquet"))
        # Spark and Hive start the names of files and folders that are not data with `.` or `_`.
        if path.is_file() and not any(part[0] in "._" for part in path.relative_to(folder).parts)
    ]
    if not files:
        raise EbmoodError(f"{folder}: a folder without .parquet files; give a table")
    return files


def partition_values(folder: Path, file: Path) -> dict[str, str | None]:
    """Return the columns that the names of the folders between `folder` and `file` hold: `name=value`.

    >>> partition_values(Path("t"), Path("t/site=north/month=3/part-0.parquet"))
    {'site': 'north', 'month': '3'}
    """
    if file == folder:
        return {}
    parts = [part.split("=", 1) for part in file.relative_to(folder).parts[:-1] if "=" in part]
    return {unquote(name): None if value == HIVE_NULL else unquote(value) for name, value in parts if name}


@contextmanager
def open_parquet(path: Path) -> Iterator[parquet.ParquetFile]:
    """Open a Parquet file for reading.

    Raises:
        EbmoodError: it is not a Parquet file, or cannot be read.
    """
    with read_errors(path):
        if path.stat().st_size == 0:
            raise EbmoodError(f"{path}: the file is empty; it needs columns and rows")
        try:
            # The default options read a whole row group, which may be the whole file.
            with parquet.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False) as file:
                yield file
        except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as error:
            raise EbmoodError(f"{path}: not a readable Parquet file ({one_line(error)})") from error


def _cells_per_row(file: parquet.ParquetFile, columns: Sequence[str]) -> int:
    """Return how many values a row of some columns has on average, at least one. A list has many."""
    selected, metadata = set(columns), file.metadata
    values = 0
    for leaf in range(metadata.num_columns):
        path = metadata.schema.column(leaf).path
        if path in selected or any(path.startswith(f"{name}.") for name in selected if "." in path):
            values += sum(
                metadata.row_group(group).column(leaf).num_values for group in range(metadata.num_row_groups)
            )
    return max(1, values // max(1, metadata.num_rows))


def _batches(file: parquet.ParquetFile, size: int, columns: list[str]) -> Iterator[pyarrow.RecordBatch]:
    """Yield all rows, one row group after another. In a single call pyarrow would keep all groups in memory."""
    for group in range(file.num_row_groups):
        yield from file.iter_batches(batch_size=size, row_groups=[group], columns=columns)


def _flat_batch(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    columns = list(flat_columns(zip(batch.schema.names, batch.columns, strict=True)))
    return pyarrow.RecordBatch.from_arrays([cells for _, cells in columns], [name for name, _ in columns])


def _add_columns(batch: pyarrow.RecordBatch, values: Mapping[str, str | None]) -> pyarrow.RecordBatch:
    """Return rows with further columns, each with one value."""
    for name, value in values.items():
        if name not in batch.schema.names:
            cells = pyarrow.repeat(pyarrow.scalar(value, pyarrow.string()), batch.num_rows)
            batch = batch.append_column(name, cells)
    return batch
