"""Read JSON Lines in chunks: one object for each row."""

import contextlib
import io
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow

from ebmood.core.errors import EbmoodError
from ebmood.detector.io.encoding import MARK
from ebmood.detector.io.nested_columns import flat_items
from ebmood.detector.io.table_stream import (
    Chunk,
    TableStream,
    check_names,
    check_unchanged,
    file_state,
    read_errors,
)
from ebmood.detector.io.text_file import CountingReader, TextFile

CHUNK_ROWS = 4096
"""Rows that are read at once, at most."""

CHUNK_NUMBERS = 2**20
"""Numbers in lists after which a chunk ends."""

NAMED_ROWS = 1000
"""Rows at the start of a file whose keys are the column names."""


class JSONLinesStream(TableStream):
    """A table of one JSON object in each line. A key that an object does not have is a missing value.

    The keys of objects inside objects become columns such as `sensor.flow`. A column whose values are lists of numbers
    in the first rows holds lists.

    All other cells become text, as in CSV. So do the lists of a chunk in which another value is among them.

    Args:
        path: the file; plain, or compressed by gzip or Zstandard.

    Raises:
        EbmoodError: the file cannot be read, or has no rows.
    """

    def __init__(self, path: Path):
        self.source = str(path)
        self._path = path
        self._state = file_state(path)
        names: dict[str, None] = {}
        lists, others = set[str](), set[str]()
        for row, (_, cells) in enumerate(self._rows()):
            names |= dict.fromkeys(cells)
            for name, value in cells.items():
                if value is not None:
                    (lists if _is_list_of_numbers(value) else others).add(name)
            if row + 1 == NAMED_ROWS:
                break
        if not names:
            raise EbmoodError(f"{self.source}: the table has no rows; write one JSON object in each line")
        self.names = tuple(names)
        self._lists = lists - others
        check_names(self.source, self.names)

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Yield all rows of some columns; this implements `TableStream.chunks`."""
        first_row, rows, numbers = 0, [], 0
        known = set(self.names)
        for row, (line, cells) in enumerate(self._rows()):
            unknown = next((name for name in cells if name not in known), None)
            if unknown is not None:
                raise EbmoodError(
                    f"{self.source}: line {line} has a key {unknown!r}, which none of the first {NAMED_ROWS} rows has; "
                    "give the first row all keys, with null for missing values"
                )
            rows.append([cells.get(name) for name in columns])
            numbers += sum(len(value) for value in rows[-1] if isinstance(value, list))
            if len(rows) == CHUNK_ROWS or numbers >= CHUNK_NUMBERS:
                yield self._chunk(first_row, columns, rows)
                first_row, rows, numbers = row + 1, [], 0
        if rows:
            yield self._chunk(first_row, columns, rows)
        check_unchanged(self._path, self._state)

    def _chunk(self, first_row: int, columns: Sequence[str], rows: list[list[Any]]) -> Chunk:
        arrays = [
            _to_array(cells, name in self._lists)
            for name, cells in zip(columns, zip(*rows, strict=True), strict=True)
        ]
        batch = pyarrow.RecordBatch.from_arrays(arrays, names=list(columns))
        return Chunk(self.source, first_row, batch)

    def _rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the number of each line that is not empty, and its object."""
        with read_errors(self.source), open(self._path, "rb") as file:
            text = TextFile(file, self.source)
            for number, line in enumerate(io.BufferedReader(CountingReader(text), 2**16), start=1):
                if line.strip():
                    yield number, self._parse(line.removesuffix(b"\n"), number)
                self.fraction = min(1.0, text.bytes_read / max(1, self._state[1]))

    def _parse(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            text = line.decode("utf-8-sig")
            if MARK in text:
                raise EbmoodError(
                    f"{self.source}: line {number} is not UTF-8 as the other text; correct the file"
                )
            row = json.loads(text, object_pairs_hook=_unique_keys)
            if isinstance(row, dict):
                if "\\u" in text:  # half of a surrogate pair is not Unicode
                    json.dumps(row, ensure_ascii=False).encode()
                return _unique_keys(list(flat_items(row)))
        except RecursionError as error:
            raise EbmoodError(
                f"{self.source}: line {number} has too many objects or lists inside each other; correct the file"
            ) from error
        except ValueError as error:
            if number == 1 and line.lstrip(b"\xef\xbb\xbf ").startswith(b"["):
                raise EbmoodError(
                    f"{self.source}: is one JSON list; write one object in each line instead"
                ) from error
            raise EbmoodError(
                f"{self.source}: line {number} is not JSON ({error}); correct the file"
            ) from error
        raise EbmoodError(
            f"{self.source}: line {number} is not a JSON object; write one row as {{...}} in each line"
        )


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("a key occurs twice")
    return row


def _is_list_of_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(item is None or isinstance(item, int | float) for item in value)


def _to_array(values: Sequence[Any], are_lists: bool) -> pyarrow.Array:
    """Return a column as lists of numbers if all its values are, and else as text."""
    if are_lists and all(value is None or _is_list_of_numbers(value) for value in values):
        # A whole number that float64 cannot represent stays text, of which the reader of numbers says what is wrong.
        with contextlib.suppress(pyarrow.ArrowInvalid, OverflowError):
            return pyarrow.array(values, pyarrow.large_list(pyarrow.float64()))
    return pyarrow.array([_to_text(value) for value in values], pyarrow.string())


def _to_text(value: Any) -> str | None:
    """Return a value as CSV would hold it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False)
