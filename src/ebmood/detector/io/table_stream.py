"""Read tables in chunks, so that a table may be larger than memory. The base class and what all formats share.

Rows are counted from 1 in each file, without the header.
"""

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow

from ebmood.core.errors import EbmoodError, one_line

FileState = tuple[int, int, int]
"""Identity, size and modification time of a file."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of a table.

    Attributes:
        source: name of the file, for messages.
        first_row: number of rows of that file in earlier chunks.
        rows: the requested columns.
        errors: what is wrong with rows that could not be read, by their number from 0 in this chunk. Their cells are
            null.
    """

    source: str
    first_row: int
    rows: pyarrow.RecordBatch
    errors: Mapping[int, str] = field(default_factory=dict)

    def describe_row(self, row: int) -> str:
        """Return the name of a row for an error message. `row` counts from 0 in this chunk."""
        return f"{self.source}: row {self.first_row + row + 1}"

    def describe_cell(self, row: int, column: str) -> str:
        """Return the name of a cell for an error message. `row` counts from 0 in this chunk."""
        return f"{self.describe_row(row)}, column {column!r}"


class TableStream(ABC):
    """A table that is read once, from its first row to its last.

    Attributes:
        source: name of the file or folder, for messages.
        names: the column names, all different.
        optional: names of columns that come from the names of folders, not from the files. They need not be
            known to a detector.
        delimiter: the character between the cells of a text file; empty for other formats.
        are_numbers: whether all columns are the numbers of an array, so that neither names nor values of columns say
            that they are something else, such as an id.
        fraction: fraction of the table that is read so far, 0 to 1; None if it is unknown.
    """

    source: str
    names: tuple[str, ...]
    optional: frozenset[str] = frozenset()
    delimiter: str = ""
    are_numbers: bool = False
    fraction: float | None = 0.0

    @abstractmethod
    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Yield all rows of some columns, in order.

        Raises:
            EbmoodError: the table is malformed, truncated or without rows, or it changes or is deleted during reading.
                The message names the file and, if it is known, the row.
        """


def check_names(source: str, names: Sequence[str]) -> None:
    """Check the column names of a table.

    Raises:
        EbmoodError: a name occurs twice.
    """
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise EbmoodError(
            f"{source}: the column name {repeated[0]!r} occurs twice; rename one of the columns"
        )


@contextmanager
def read_errors(source: Path | str) -> Iterator[None]:
    """Convert an `OSError` of the block into an `EbmoodError` that names the file."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise EbmoodError(f"{source}: cannot be read ({reason}); check that the file exists") from error


def file_state(path: Path) -> FileState:
    """Return values that change when a file is modified."""
    with read_errors(path):
        stat = os.stat(path)
        return stat.st_ino, stat.st_size, stat.st_mtime_ns


def check_unchanged(path: Path, state: FileState | None) -> None:
    """Check that a file is the same as when `state` was recorded.

    Raises:
        EbmoodError: it was deleted or modified.
    """
    if not path.exists():
        raise EbmoodError(f"{path}: was deleted while it was read; the results are discarded")
    if file_state(path) != state:
        raise EbmoodError(f"{path}: changed while it was read; wait until it is complete, then run again")
