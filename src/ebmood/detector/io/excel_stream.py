"""Read the first sheet of an Excel workbook. This needs the extra `excel`."""

import datetime
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow

from ebmood.core.errors import EbmoodError, one_line
from ebmood.detector.io.table_stream import (
    Chunk,
    TableStream,
    check_names,
    check_unchanged,
    file_state,
    read_errors,
)

CHUNK_ROWS = 4096


class ExcelStream(TableStream):
    """The first sheet of an `.xlsx` file, whose first row is a header. All cells become text, as in CSV.

    Args:
        path: the file.

    Raises:
        EbmoodError: openpyxl is not installed, the file is not a workbook, or the first row is not a header.
    """

    def __init__(self, path: Path):
        self.source = str(path)
        self._path = path
        self._state = file_state(path)
        with self._rows() as rows:
            header = _without_end(next(rows, ()))
        if not header or None in header:
            raise EbmoodError(
                f"{self.source}: the first row of the first sheet must be a header without empty cells"
            )
        self.names = tuple(map(str, header))
        check_names(self.source, self.names)

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Yield all rows of some columns; this implements `TableStream.chunks`. Empty rows at the end are left out."""
        first_row, waiting, empty = 0, [], 0
        with self._rows() as rows:
            next(rows)
            for row in rows:
                cells = _without_end(row)
                if not cells:
                    empty += 1
                    continue
                waiting += [()] * empty
                empty = 0
                waiting.append(cells)
                if len(waiting) >= CHUNK_ROWS:
                    yield self._chunk(first_row, columns, waiting)
                    first_row, waiting = first_row + len(waiting), []
        if waiting:
            yield self._chunk(first_row, columns, waiting)
        elif not first_row:
            raise EbmoodError(f"{self.source}: the table has no rows; add rows below the header")
        check_unchanged(self._path, self._state)

    def _chunk(self, first_row: int, columns: Sequence[str], rows: list[tuple[str | None, ...]]) -> Chunk:
        width = len(self.names)
        errors = {
            number: f"has {len(row)} cells, the header {width}"
            for number, row in enumerate(rows)
            if len(row) > width
        }
        full = [() if number in errors else row for number, row in enumerate(rows)]
        full = [(*row, *[None] * (width - len(row))) for row in full]
        positions = [self.names.index(name) for name in columns]
        arrays = [pyarrow.array([row[i] for row in full], pyarrow.string()) for i in positions]
        schema = pyarrow.schema([(name, pyarrow.string()) for name in columns])
        return Chunk(self.source, first_row, pyarrow.RecordBatch.from_arrays(arrays, schema=schema), errors)

    @contextmanager
    def _rows(self) -> Iterator[Iterator[tuple[Any, ...]]]:
        try:
            from openpyxl import load_workbook
            from openpyxl.utils.exceptions import InvalidFileException
        except ImportError as error:
            raise EbmoodError(
                "Excel files need the extra `excel`; run: pip install 'ebmood[excel]', or save the sheet as CSV"
            ) from error
        try:
            with read_errors(self.source):
                book = load_workbook(self._path, read_only=True, data_only=True)
        except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError) as error:
            raise EbmoodError(f"{self.source}: not a readable .xlsx file ({one_line(error)})") from error
        try:
            yield (book.worksheets[0].iter_rows(values_only=True) if book.worksheets else iter(()))
        finally:
            book.close()


def _without_end(row: Sequence[Any]) -> tuple[str | None, ...]:
    """Return the cells of a row as text, without empty ones at its end."""
    cells = [_to_text(cell) for cell in row]
    while cells and cells[-1] is None:
        cells.pop()
    return tuple(cells)


def _to_text(value: Any) -> str | None:
    """Return a cell as it stands in CSV."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return str(value)
