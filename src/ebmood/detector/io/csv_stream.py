"""Read CSV in chunks, from a file or from standard input.

The file needs a header, which may follow comments or a title. The first bytes decide on encoding, delimiter and
compression. All cells are returned as text.
"""

import io
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow
from pyarrow import csv as arrow_csv

from ebmood.core.errors import DataWarning, EbmoodError, one_line, warn
from ebmood.detector.cells.arrow import compute
from ebmood.detector.io.csv_dialect import (
    COMMENT,
    check_delimiter,
    check_header,
    check_lines_fit,
)
from ebmood.detector.io.csv_header import open_csv, parse_header
from ebmood.detector.io.encoding import MARK
from ebmood.detector.io.header_search import (
    FITTING,
    describe_below,
    describe_title,
    describe_unnamed,
    has_width,
    unnamed_empty,
)
from ebmood.detector.io.quotes import QuoteScanner
from ebmood.detector.io.table_stream import (
    Chunk,
    TableStream,
    check_names,
    check_unchanged,
    file_state,
    read_errors,
)
from ebmood.detector.io.text_file import CountingReader, TextFile

BLOCK_BYTES = 2**20
"""Bytes that are read at once. No row may be longer."""


COMMENT_CELL = rf"^{COMMENT}(?:{COMMENT}|\s|$)"
"""Regular expression of the first cell of a comment that has as many cells as the header. `#7` may be a value."""


class CSVStream(TableStream):
    """A CSV table.

    Args:
        source: name of the table, for messages.
        path: the file; None for standard input.

    Attributes:
        delimiter: the character between cells.

    Raises:
        EbmoodError: the file cannot be read, is empty, or its header is malformed.
    """

    def __init__(self, source: str, path: Path | None):
        self.source = source
        self.fraction = None if path is None else 0.0
        self._path = path
        self._state = file_state(path) if path else None
        self._input = None  # standard input cannot be read a second time
        with self._open() as file:
            opened = open_csv(file, source)
        if path is None:
            self._input = opened
        start = opened.start
        self._is_warned = False
        self._warn_encoding(opened.text)
        self.delimiter = start.delimiter
        header = parse_header(opened.header, self.delimiter, source)
        check_header(header, source, self.delimiter)
        check_lines_fit(header, start, source)
        check_delimiter(opened.header.decode(errors="replace"), start, source)
        if start.below:
            warn(describe_below(source, next(filter(str.strip, start.below)), start.line + 2), DataWarning)
        if start.title:
            warn(describe_title(source, start.title, start.line), DataWarning)
        fitting = [row for row in start.rows if has_width(row, len(header))]
        marked = [row[0] for row in fitting if row[0].startswith(COMMENT)]
        comments = [cell for cell in marked if re.match(COMMENT_CELL, cell)]
        is_quoted = f'\n"{COMMENT}'.encode() in b"\n" + opened.content  # a value, not a comment
        self._has_comments = len(marked) == len(comments) <= len(fitting) / 2 and not is_quoted
        if sum(len(row) > len(header) for row in fitting) >= max(1, FITTING * len(start.rows)):
            header = (*header, "")  # a delimiter at the end of each row
        unnamed = unnamed_empty(header, start.rows) if start.rows and len(header) > 1 else []
        if unnamed:
            warn(describe_unnamed(source, len(unnamed)), DataWarning)
        # Columns without a name are read, because a value in one of them makes its row bad.
        self._unnamed = tuple(f"\0{k}" for k in unnamed)
        self._header = tuple(f"\0{k}" if k in unnamed else name for k, name in enumerate(header))
        self.names = tuple(name for name in self._header if name not in self._unnamed)
        check_names(source, self.names)

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Yield all rows of some columns; this implements `TableStream.chunks`.

        Rows with a wrong number of cells are rows of nulls, with an entry in `errors`. So are rows that repeat the
        header, as in files that were joined.
        """
        parsed = rows_read = 0
        ragged: dict[int, str] = {}
        names = list(dict.fromkeys([*columns, *self._unnamed, *self._header[: self._has_comments]]))
        with self._open() as file:
            opened = self._input or open_csv(file, self.source)
            scanner = QuoteScanner(
                self.delimiter.encode(), len(self._header), opened.start.line + 1 + bool(opened.start.below)
            )
            scanner.scan(opened.header + b"\n" + opened.content)
            stream = CountingReader(_ScannedText(opened.text, scanner), opened.content)
            batches = self._batches(io.BufferedReader(stream, 2**16), names, ragged)
            for rows in itertools.chain(batches, [None]):
                if rows is None:
                    self._check_quotes(scanner)
                batch = _nulls(names, 0) if rows is None else rows
                chunk = _insert_ragged(Chunk(self.source, parsed, batch), ragged, at_end=rows is None)
                parsed += chunk.rows.num_rows
                chunk = self._check_unnamed(self._drop_comments(replace(chunk, first_row=rows_read)))
                chunk = _mark_headers(replace(chunk, rows=chunk.rows.select(columns)))
                chunk = _mark_encoding(chunk) if opened.text.has_marks else chunk
                if chunk.rows.num_rows:
                    yield chunk
                rows_read += chunk.rows.num_rows
                if self._path and self._state:
                    self.fraction = min(1.0, opened.text.bytes_read / max(1, self._state[1]))
            self._warn_encoding(opened.text)
        comments = parsed - rows_read
        if comments:
            lines = (
                "one line among the rows starts"
                if comments == 1
                else f"{comments} lines among the rows start"
            )
            warn(f"{self.source}: {lines} with {COMMENT}; read as comments, not as rows", DataWarning)
        if self._path:
            check_unchanged(self._path, self._state)
        if not rows_read:
            raise EbmoodError(f"{self.source}: the table has no rows; add rows below the header")

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        with read_errors(self.source):
            if self._path is None:
                yield sys.stdin.buffer
            else:
                with open(self._path, "rb") as file:
                    yield file

    def _warn_encoding(self, text: TextFile) -> None:
        """Warn, once, if the file is read as Windows-1252."""
        if text.is_fallback and not self._is_warned:
            self._is_warned = True
            warn(
                f"{self.source}: is not UTF-8, so it is read as Windows-1252 (Latin-1); if text looks wrong, save it "
                "as UTF-8",
                DataWarning,
            )

    def _check_quotes(self, scanner: QuoteScanner) -> None:
        scanner.finish()
        line = scanner.open_line or scanner.spanning_line
        if line:
            problem = (
                "is never closed" if scanner.open_line else "is closed only after lines that look like rows"
            )
            raise EbmoodError(
                f'{self.source}: a quote (") in line {line} {problem}, so that rows would be lost; close it, or write '
                'a quote inside a cell as ""'
            )

    def _batches(
        self, file: io.BufferedReader, columns: Sequence[str], ragged: dict[int, str]
    ) -> Iterator[pyarrow.RecordBatch]:
        def skip(row: arrow_csv.InvalidRow) -> str:
            if self._has_comments and (row.text or "").startswith(COMMENT):
                ragged[row.number - 1] = COMMENT
                return "skip"
            cells = "1 cell" if row.actual_columns == 1 else f"{row.actual_columns} cells"
            start = one_line((row.text or "").replace(MARK, ""))[:40]
            ragged[row.number - 1] = f"has {cells}, the header {row.expected_columns}; it starts {start!r}"
            return "skip"

        try:
            reader = arrow_csv.open_csv(
                pyarrow.PythonFile(file, mode="r"),
                # With more than one thread, the parser does not count rows for its messages.
                arrow_csv.ReadOptions(
                    use_threads=False, column_names=list(self._header), block_size=BLOCK_BYTES
                ),
                # In a table with one column, an empty line is a missing value.
                arrow_csv.ParseOptions(
                    delimiter=self.delimiter,
                    newlines_in_values=True,
                    ignore_empty_lines=len(self._header) > 1,
                    invalid_row_handler=skip,
                ),
                arrow_csv.ConvertOptions(
                    column_types={name: pyarrow.string() for name in self._header},
                    strings_can_be_null=False,
                    include_columns=columns,
                ),
            )
            with reader:
                yield from reader
        except pyarrow.ArrowInvalid as error:
            reason = one_line(error)
            if reason != "Empty CSV file":
                raise EbmoodError(f"{self.source}: {_describe(reason)}; correct the file") from error

    def _drop_comments(self, chunk: Chunk) -> Chunk:
        """Return a chunk without the rows that are comments."""
        is_comment = np.zeros(chunk.rows.num_rows, dtype=bool)
        is_comment[[row for row, problem in chunk.errors.items() if problem == COMMENT]] = True
        if self._has_comments:
            is_match = compute.match_substring_regex(chunk.rows.column(self._header[0]), COMMENT_CELL)
            is_comment |= np.asarray(compute.fill_null(is_match, False))
        if not is_comment.any():
            return chunk
        numbers = np.cumsum(~is_comment) - 1
        errors = {int(numbers[row]): problem for row, problem in chunk.errors.items() if not is_comment[row]}
        return replace(chunk, rows=chunk.rows.filter(pyarrow.array(~is_comment)), errors=errors)

    def _check_unnamed(self, chunk: Chunk) -> Chunk:
        """Return a chunk without the columns that have no name. A row with a value in one of them is bad."""
        if not self._unnamed:
            return chunk
        errors = dict(chunk.errors)
        names = [name for name in chunk.rows.schema.names if name not in self._unnamed]
        for name in self._unnamed:
            cells = compute.utf8_trim_whitespace(chunk.rows.column(name))
            filled = compute.fill_null(compute.not_equal(cells, ""), False)
            for row in compute.indices_nonzero(filled).to_pylist():
                number = self._header.index(name) + 1
                errors.setdefault(
                    row, f"has the value {cells[row].as_py()[:40]!r} in column {number}, which has no name"
                )
        return replace(chunk, rows=chunk.rows.select(names), errors=errors)


class _ScannedText:
    """A text file that a `QuoteScanner` scans while it is read."""

    def __init__(self, text: TextFile, scanner: QuoteScanner):
        self._text = text
        self._scanner = scanner

    def read(self, size: int) -> bytes:
        data = self._text.read(size)
        self._scanner.scan(data)
        return data


def _mark_headers(chunk: Chunk) -> Chunk:
    """Return a chunk whose rows that repeat the names of its columns, two or more, are bad rows."""
    rows = chunk.rows
    if rows.num_columns < 2:
        return chunk
    is_header = np.ones(rows.num_rows, dtype=bool)
    for name in rows.schema.names:
        same = compute.equal(compute.utf8_trim_whitespace(rows.column(name)), name.strip())
        is_header &= np.asarray(compute.fill_null(same, False))
        if not is_header.any():
            return chunk
    columns = [compute.if_else(pyarrow.array(is_header), None, cells) for cells in rows.columns]
    errors = dict.fromkeys(np.flatnonzero(is_header).tolist(), "repeats the header")
    marked = pyarrow.RecordBatch.from_arrays(columns, schema=rows.schema)
    return replace(chunk, rows=marked, errors=errors | dict(chunk.errors))


def _mark_encoding(chunk: Chunk) -> Chunk:
    """Return a chunk whose rows with bytes that are not UTF-8 are bad rows."""
    errors: dict[int, str] = {}
    for name in chunk.rows.schema.names:
        cells = chunk.rows.column(name)
        for row in compute.indices_nonzero(compute.match_substring(cells, MARK)).to_pylist():
            cell = cells[row].as_py().replace(MARK, "")[:40]
            errors.setdefault(
                row, f"has the value {cell!r} in column {name!r}, which is not UTF-8 as the other text"
            )
    if not errors:
        return chunk
    is_bad = np.zeros(chunk.rows.num_rows, dtype=bool)
    is_bad[list(errors)] = True
    columns = [compute.if_else(pyarrow.array(is_bad), None, cells) for cells in chunk.rows.columns]
    marked = pyarrow.RecordBatch.from_arrays(columns, schema=chunk.rows.schema)
    return replace(chunk, rows=marked, errors=errors | dict(chunk.errors))


def _insert_ragged(chunk: Chunk, ragged: dict[int, str], at_end: bool = False) -> Chunk:
    """Return a chunk with rows of nulls in the places of rows that the parser left out.

    Args:
        chunk: rows in the order of the file, without malformed ones.
        ragged: the reason for each malformed row, by its number from 0 in the file. Those that belong into the chunk
            are removed.
        at_end: whether the chunk contains the end of the file.
    """
    numbers = sorted(number for number in ragged if number >= chunk.first_row)
    errors: dict[int, str] = {}
    parts: list[pyarrow.RecordBatch] = []
    taken = placed = 0
    for number in numbers:
        position = number - chunk.first_row
        before = position - placed
        if taken + before > chunk.rows.num_rows or (taken + before == chunk.rows.num_rows and not at_end):
            break
        parts += [chunk.rows.slice(taken, before), _nulls(chunk.rows.schema.names, 1)]
        taken, placed = taken + before, position + 1
        errors[position] = ragged.pop(number)
    if not errors:
        return chunk
    parts.append(chunk.rows.slice(taken))
    table = pyarrow.Table.from_batches(parts).combine_chunks()
    return replace(chunk, rows=table.to_batches()[0], errors=errors)


def _nulls(columns: Sequence[str], rows: int) -> pyarrow.RecordBatch:
    nulls = pyarrow.nulls(rows, pyarrow.string())
    return pyarrow.RecordBatch.from_arrays([nulls] * len(columns), names=list(columns))


def _describe(reason: str) -> str:
    """Return an error message of the parser in plain words."""
    if "straddling" in reason:
        reason = f"a quote that is never closed, or a row of more than {BLOCK_BYTES} bytes"
    return f"not comma-separated values ({reason})"
