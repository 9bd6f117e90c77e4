"""A feed that lies in table files: read in order, cut into batches, and continued where a saved monitor stopped."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from ebmood.core.errors import DataWarning, InputError, warn
from ebmood.detector.cells.dates import DateFormat
from ebmood.detector.io.column_names import match_columns
from ebmood.detector.io.open_input import STANDARD, open_table
from ebmood.detector.io.table_stream import Chunk
from ebmood.detector.preparation.columns import DateColumn
from ebmood.detector.progress_callback import ProgressCallback, ignore_progress
from ebmood.detector.raw.table_detector import TableDetector
from ebmood.monitoring.times import (
    NUMBERS,
    Interval,
    Notation,
    Times,
    check_order,
    choose_notation,
    format_time,
    is_temporal,
    read_times,
    start_of,
)

Floats = NDArray[np.float64]

MAX_BATCH = 100_000
"""Rows that are held in memory. A longer interval of time is given in parts with the same label."""


@dataclass(frozen=True)
class FeedBatch:
    """Consecutive rows of a feed.

    Attributes:
        values: `(N, D)` encoded rows.
        label: its time; None without times.
    """

    values: Floats
    label: str | None


@dataclass
class _Table:
    """How many rows of a table were given out, and the SHA-256 of these."""

    rows: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add(self, values: Floats) -> None:
        self.rows += len(values)
        self.digest.update(np.ascontiguousarray(values).tobytes())


@dataclass
class _Piece:
    """Consecutive rows of one table, and the key under which the feed remembers the table."""

    table: str
    values: Floats
    times: Times | None

    def __len__(self) -> int:
        return len(self.values)

    def cut(self, start: int, stop: int) -> "_Piece":
        times = self.times and Times(
            self.times.seconds[start:stop], self.times.texts[start:stop], self.times.are_dates
        )
        return _Piece(self.table, self.values[start:stop], times)


class TableFeed:
    """Rows of tables, in order. It remembers how many rows of each table were given out, and their SHA-256.

    A table that grew since then is continued after these rows. Standard input is always new.

    Odd cells are missing values, which are evidence of a change in a column without gaps.

    Args:
        detector: fitted on tables with the same columns.
        tables: files that `open_table` reads, folders of Parquet files, or `-`.
        interval: how rows are cut into batches.
        time_column: a column of times, which must not decrease; None without times.
        drop: columns that were not in the training data.
        position: the result of `position()` at an earlier time; None for a new feed.

    Attributes:
        bad_rows: number of rows with odd cells so far.
        first_bad_row: what is wrong with the first of them; None if there is none.

    Raises:
        InputError: an interval of time is given without a column of times, or a table is given twice.
    """

    def __init__(
        self,
        detector: TableDetector,
        tables: Sequence[Path],
        interval: Interval,
        time_column: str | None = None,
        drop: Sequence[str] = (),
        position: JsonValue = None,
    ):
        if interval.seconds is not None and time_column is None:
            raise InputError("--every with a time needs the column of times; name it with --time")
        for i, table in enumerate(tables):
            if table in tables[:i]:
                raise InputError(f"{table}: is given twice; give each table once")
        self.detector, self.tables, self.interval = detector, tables, interval
        self.time_column, self.drop = time_column, drop
        self._before = position if isinstance(position, dict) else {}
        self._tables: dict[str, _Table] = {}
        self._time: float = -math.inf
        self.first_bad_row: str | None = None
        self.bad_rows = 0
        # Without a notation, an older version guessed it for each part of the feed: its last time may be wrong.
        if isinstance(time := self._before.get("time"), (int, float)) and "notation" in self._before:
            self._time = time
        notation = self._before.get("notation")
        self._notation: Notation | None = None
        if isinstance(notation, str):
            self._notation = NUMBERS if notation == NUMBERS else DateFormat(notation)

    def position(self) -> JsonValue:
        """Return what was given out so far, as JSON."""
        earlier = self._before.get("tables")
        tables: dict[str, JsonValue] = dict(earlier) if isinstance(earlier, dict) else {}
        for key, table in self._tables.items():
            if key != STANDARD and table.rows:
                tables[key] = {"rows": table.rows, "sha256": table.digest.hexdigest()}
        time = self._time if math.isfinite(self._time) else None
        return {"tables": tables, "time": time, "notation": self._notation and str(self._notation)}

    def batches(self, progress: ProgressCallback = ignore_progress) -> Iterator[FeedBatch]:
        """Yield the batches. After each, `position` includes its rows.

        Raises:
            EbmoodError: a table cannot be used, a time is earlier than the one before, or the rows that were given out
                earlier have changed.
        """
        waiting: list[_Piece] = []
        for piece in self._pieces(progress):
            start = 0
            while start < len(piece):
                stop = self._end_of_batch(waiting, piece, start)
                if stop > start:
                    waiting.append(piece.cut(start, stop))
                if stop < len(piece) or self._is_full(waiting):
                    yield self._batch(waiting)
                    waiting = []
                start = stop
        if waiting:
            yield self._batch(waiting)

    def _pieces(self, progress: ProgressCallback) -> Iterator[_Piece]:
        last = self._time
        for name in self.tables:
            table = open_table(name)
            columns = [] if self.time_column is None else [self.time_column]
            kept = match_columns(columns, table.names, table.source, "--time")
            key = STANDARD if str(name) == STANDARD else str(Path(name).expanduser().resolve())
            state = self._tables.setdefault(key, _Table())
            skip = self._earlier_rows(key) - state.rows
            for chunk, values in self.detector.encoded_rows(table, kept, self.drop):
                skipped = min(max(skip, 0), len(values))
                skip -= skipped
                state.add(values[:skipped])
                if skipped and not skip:
                    self._check_unchanged(key, state, table.source)
                bad = [row for row in sorted(chunk.errors) if row >= skipped]
                self.bad_rows += len(bad)
                if bad and self.first_bad_row is None:
                    self.first_bad_row = f"{chunk.describe_row(bad[0])}, {chunk.errors[bad[0]]}"
                if skipped < len(values):
                    times = self._read_times(chunk)
                    piece = _Piece(key, values, times).cut(skipped, len(values))
                    if times is not None and piece.times is not None:
                        rest = Chunk(chunk.source, chunk.first_row + skipped, chunk.rows.slice(skipped))
                        check_order(rest, self.time_column or "", piece.times, last)
                        last = float(piece.times.seconds[-1])
                    yield piece
                progress("watching", table.fraction)
            if skip > 0:
                raise InputError(
                    f"{table.source}: has {skip} rows fewer than before; give the same table, or a new "
                    "--state"
                )

    def _read_times(self, chunk: Chunk) -> Times | None:
        if self.time_column is None:
            return None
        if self._notation is None and not is_temporal(chunk, self.time_column):
            self._notation = self._choose_notation(chunk, self.time_column)
        times = read_times(chunk, self.time_column, self._notation)
        if self.interval.seconds is not None and not times.are_dates:
            raise InputError(
                f"{chunk.describe_cell(0, self.time_column)}: {times.texts[0]} is a number, so an interval of time has "
                "no unit; give --every in rows, such as 1000rows"
            )
        return times

    def _choose_notation(self, chunk: Chunk, column: str) -> Notation:
        """Return how the detector reads the column of times, or else the notation of the first rows."""
        preparation = self.detector.preparation
        for known in () if preparation is None else preparation.columns:
            if isinstance(known, DateColumn) and known.name == column:
                return known.format
        cells = [value for value in chunk.rows.column(column).to_pylist() if value is not None]
        notation, is_guess = choose_notation([str(value) for value in cells])
        if is_guess:
            warn(
                f"{chunk.source}: column {column!r}: times are read with the day before the month, which is a guess; "
                "write them as 2020-01-31T12:00:00 to be sure",
                DataWarning,
            )
        return notation

    def _end_of_batch(self, waiting: Sequence[_Piece], piece: _Piece, start: int) -> int:
        """Return where the batch ends that the waiting rows have begun: an index of `piece`."""
        held = sum(map(len, waiting))
        room = (self.interval.rows or MAX_BATCH) - held
        if self.interval.seconds is not None and piece.times is not None:
            first = waiting[0] if waiting else piece.cut(start, len(piece))
            assert first.times is not None
            end = start_of(float(first.times.seconds[0]), self.interval.seconds) + self.interval.seconds
            later = int(np.searchsorted(piece.times.seconds[start:], end, side="left"))
            return start + min(room, later)
        return min(start + room, len(piece))

    def _is_full(self, waiting: Sequence[_Piece]) -> bool:
        return sum(map(len, waiting)) >= (self.interval.rows or MAX_BATCH)

    def _batch(self, pieces: Sequence[_Piece]) -> FeedBatch:
        for piece in pieces:
            self._tables[piece.table].add(piece.values)
        first, last = pieces[0].times, pieces[-1].times
        label = None
        if first is not None and last is not None:
            self._time = float(last.seconds[-1])
            label = first.texts[0]
            if self.interval.seconds is not None:
                label = format_time(start_of(float(first.seconds[0]), self.interval.seconds))
        return FeedBatch(np.concatenate([piece.values for piece in pieces]), label)

    def _earlier(self, key: str) -> dict[str, JsonValue]:
        tables = self._before.get("tables")
        table = tables.get(key) if isinstance(tables, dict) else None
        return table if isinstance(table, dict) else {}

    def _earlier_rows(self, key: str) -> int:
        rows = self._earlier(key).get("rows")
        return rows if isinstance(rows, int) else 0

    def _check_unchanged(self, key: str, state: _Table, source: str) -> None:
        if state.digest.hexdigest() != self._earlier(key).get("sha256"):
            raise InputError(
                f"{source}: its first {state.rows} rows are not those that were watched before; give the same table, "
                "or a new --state"
            )
