"""Read the first sheet of an Excel workbook. This needs the extra `excel`."""

import datetime
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow

from ebmood.core.errors import DataWarning, EbmoodError, one_line, warn
from ebmood.detector.io.excel_formulas import bare_formulas, column_letters, has_formulas
from ebmood.detector.io.header_search import (
    describe_below,
    describe_title,
    describe_unnamed,
    find_header,
    is_below_header,
    unnamed_empty,
)
from ebmood.detector.io.table_stream import (
    Chunk,
    TableStream,
    check_names,
    check_unchanged,
    file_state,
    read_errors,
)

CHUNK_ROWS = 4096

SAMPLE_ROWS = 60
"""Rows in which the header is looked for."""


class ExcelStream(TableStream):
    """The first sheet of an `.xlsx` file. All cells become text, as in CSV.

    The header is the first row, or the first one below a title (see `find_header`). Columns without name and values
    are left out.

    Args:
        path: the file.

    Raises:
        EbmoodError: openpyxl is not installed, the file is not a workbook, or a column with values has no name.

    Warns:
        DataWarning: there are a title, columns without name and values, other sheets, or formulas without values.
    """

    def __init__(self, path: Path):
        self.source = str(path)
        self._path = path
        self._state = file_state(path)
        self._sheets: list[str] = []
        with self._rows() as rows:
            first = [_without_end(row) for row in islice(rows, SAMPLE_ROWS)]
        width = max(map(len, first), default=0)
        padded = [[cell or "" for cell in _pad(row, width)] for row in first]
        filled = [line for line, row in enumerate(first) if row]
        if not filled:
            raise EbmoodError(f"{self.source}: the first sheet is empty; move the table to the first sheet")
        line = filled[find_header([padded[number] for number in filled])]
        header, samples = padded[line][: len(first[line])], padded[line + 1 :]
        self._rows_start = line + 1
        below = samples[0] if samples and is_below_header(samples[0]) else []
        if below:
            self._rows_start, samples = self._rows_start + 1, samples[1:]
        empty = unnamed_empty(header, samples) if samples else []
        unnamed = [k for k, name in enumerate(header) if not name.strip() and k not in empty]
        if unnamed:
            raise EbmoodError(
                f"{self.source}: row {line + 1} of the first sheet must be a header without empty cells, but column "
                f"{unnamed[0] + 1} has no name; add it"
            )
        self._header = tuple("" if k in empty else name for k, name in enumerate(header))
        self.names = tuple(name for name in self._header if name)
        check_names(self.source, self.names)
        if line > filled[0]:
            warn(describe_title(self.source, next(filter(None, padded[filled[0]])), line), DataWarning)
        if below:
            warn(describe_below(self.source, next(filter(str.strip, below)), self._rows_start), DataWarning)
        if empty:
            warn(describe_unnamed(self.source, len(empty)), DataWarning)
        self._check_formulas()

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Yield all rows of some columns; this implements `TableStream.chunks`. Empty rows at the end are left out."""
        first_row, waiting, empty = 0, [], 0
        with self._rows() as rows:
            for row in islice(rows, self._rows_start, None):
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

    def _check_formulas(self) -> None:
        """Warn of formulas whose values the program that wrote the file did not store."""
        named = {k + 1 for k, name in enumerate(self._header) if name}
        count, first = 0, (0, 0)
        with self._book() as book, read_errors(self.source):
            sheet = book.worksheets[0]
            # The public interface of openpyxl returns formulas or values, not both.
            with sheet._get_source() as file:
                if not has_formulas(file):
                    return
            with sheet._get_source() as file:
                for row, column in bare_formulas(file):
                    if row > self._rows_start and column in named:
                        count, first = count + 1, first if count else (row, column)
        if count:
            row, column = first
            formulas = (
                "one formula without a value is" if count == 1 else f"{count} formulas without values are"
            )
            warn(
                f"{self.source}: {formulas} read as missing, the first in cell {column_letters(column)}{row} (column "
                f"{self._header[column - 1]!r}); open the file in a spreadsheet program and save it",
                DataWarning,
            )

    def _chunk(self, first_row: int, columns: Sequence[str], rows: list[tuple[str | None, ...]]) -> Chunk:
        width = len(self._header)
        errors = {
            number: f"has {len(row)} cells, the header {width}"
            for number, row in enumerate(rows)
            if len(row) > width
        }
        unnamed = [k for k, name in enumerate(self._header) if not name]
        for number, row in enumerate(rows):
            for k in unnamed:
                if k < len(row) and row[k]:
                    errors.setdefault(
                        number, f"has the value {str(row[k])[:40]!r} in column {k + 1}, which has no name"
                    )
        full = [_pad(() if number in errors else row, width) for number, row in enumerate(rows)]
        positions = [self._header.index(name) for name in columns]
        arrays = [pyarrow.array([row[k] for row in full], pyarrow.string()) for k in positions]
        batch = pyarrow.RecordBatch.from_arrays(arrays, names=list(columns))
        return Chunk(self.source, first_row, batch, errors)

    @contextmanager
    def _rows(self) -> Iterator[Iterator[tuple[Any, ...]]]:
        """Open the rows of the first sheet. Cells with formulas have their values."""
        with self._book() as book:
            yield (book.worksheets[0].iter_rows(values_only=True) if book.worksheets else iter(()))

    @contextmanager
    def _book(self) -> Iterator[Any]:
        """Open the workbook."""
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
        if len(book.worksheets) > 1 and not self._sheets:
            self._sheets = [sheet.title for sheet in book.worksheets]
            warn(
                f"{self.source}: the first of {len(self._sheets)} sheets is read, {self._sheets[0]!r}",
                DataWarning,
            )
        try:
            yield book
        finally:
            book.close()


def _pad(row: Sequence[str | None], width: int) -> list[str | None]:
    """Return the cells of a row, followed by None up to `width` cells."""
    return [*row, *[None] * (width - len(row))]


def _without_end(row: Sequence[Any]) -> tuple[str | None, ...]:
    """Return the cells of a row as text, without empty ones at its end."""
    cells = [_to_text(cell) for cell in row]
    while cells and cells[-1] is None:
        cells.pop()
    return tuple(cells)


def _to_text(value: Any) -> str | None:
    """Return a cell as CSV would hold it."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return str(value)
