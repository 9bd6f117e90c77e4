"""Read data frames and lists of rows in memory. The result is that of the same table in a file."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
import pyarrow

from ebmood.core.errors import InputError
from ebmood.core.words import noun
from ebmood.detector.cells.categories import is_missing
from ebmood.detector.io.nested_columns import flat_columns, flat_items
from ebmood.detector.io.table_stream import Chunk, TableStream

CHUNK_ROWS = 2**14
"""Rows in a chunk at most."""

ARROW_ERRORS = (pyarrow.ArrowException, OverflowError, TypeError, ValueError)


class FrameStream(TableStream):
    """A table in memory. Messages count its rows from 0, as Python does.

    Args:
        X: a data frame of pandas, polars or pyarrow, a pyarrow record batch, or a list of rows, each a mapping from
            column names to values. A column that a row of a list does not have is a missing value in this row.
        columns: columns that the rows of a list may lack altogether.

    Raises:
        InputError: X is something else, has no rows or columns, or a column name occurs twice.
    """

    def __init__(self, X: Any, columns: Sequence[str] = ()):
        self.source = "X"
        self.table = to_arrow(X, columns)
        self.names = tuple(self.table.column_names)

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """Yield all rows of some columns; this implements `TableStream.chunks`."""
        rows = 0
        for batch in self.table.select(list(columns)).combine_chunks().to_batches(CHUNK_ROWS):
            # A chunk counts from 1.
            yield Chunk(self.source, rows - 1, batch)
            rows += batch.num_rows
            self.fraction = rows / self.table.num_rows


def to_arrow(X: Any, columns: Sequence[str] = ()) -> pyarrow.Table:
    """Return a data frame or a list of rows as a pyarrow table. An index of pandas is not a column.

    A column with values of several types, such as numbers and text, becomes a column of text, as in a CSV file. A
    column of structs or mappings becomes columns such as `sensor.flow`.

    >>> to_arrow([{"flow": 1, "site": "Oslo"}, {"flow": 2.5}]).to_pylist()
    [{'flow': 1.0, 'site': 'Oslo'}, {'flow': 2.5, 'site': None}]

    Args:
        X: see `FrameStream`.
        columns: see `FrameStream`.

    Raises:
        InputError: see `FrameStream`.
    """
    if isinstance(X, pyarrow.RecordBatch):
        X = pyarrow.Table.from_batches([X])
    names, arrays = _read_frame(X) if nw.dependencies.is_into_dataframe(X) else _read_mappings(X, columns)
    flat = list(flat_columns(zip(names, arrays, strict=True)))
    repeated = next((name for name, count in Counter(name for name, _ in flat).items() if count > 1), None)
    if repeated is not None:
        raise InputError(
            f"X: two columns are called {repeated!r}, one of them inside another column; rename one"
        )
    table = pyarrow.table(dict(flat))
    if not table.num_rows or not table.num_columns:
        raise InputError(
            f"X: has {table.num_rows} {noun(table.num_rows, 'row')} and {table.num_columns} "
            f"{noun(table.num_columns, 'column')}; give at least one row"
        )
    return table


def column_names(X: Any) -> list[Any]:
    """Return the column names of a data frame.

    Raises:
        InputError: a name occurs twice, or has several levels.
    """
    names = list(getattr(X, "column_names", getattr(X, "columns", ())))
    levels = next((name for name in names if isinstance(name, tuple)), None)
    if levels is not None:
        raise InputError(
            f"X: the columns have names of several levels (e.g. {levels!r}); make them text, such as "
            "X.columns = ['_'.join(map(str, name)) for name in X.columns]"
        )
    repeated = next((name for name, count in Counter(names).items() if count > 1), None)
    if repeated is not None:
        positions = [i for i, name in enumerate(names) if name == repeated]
        raise InputError(f"X: two columns are called {repeated!r} (columns {positions}); rename one")
    return names


def _read_frame(X: Any) -> tuple[list[str], list[pyarrow.Array | pyarrow.ChunkedArray]]:
    names = column_names(X)
    _check_names(names)
    if isinstance(X, pyarrow.Table):
        return names, X.columns
    frame = nw.from_native(X, eager_only=True)
    return names, [_read_series(frame[:, number]) for number in range(len(names))]


def _check_names(names: list[Any]) -> None:
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"X: the column name {name!r} is not text; make all of them text")
        if not is_unicode(name):
            raise InputError(f"X: the column name {name!r} is not Unicode; rename it")


def is_unicode(text: str) -> bool:
    """Return whether text can be written in UTF-8. Half of a surrogate pair, such as of an emoji, cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_series(series: nw.Series) -> pyarrow.Array | pyarrow.ChunkedArray:
    # Unknown are types of pandas: sparse and complex numbers, periods and intervals.
    if series.dtype not in (nw.Object, nw.Unknown):
        with contextlib.suppress(UnicodeEncodeError):  # `_to_array` names the cell
            return series.to_arrow()
    return _to_array(series.name, series.to_list())


def _read_mappings(X: Any, columns: Sequence[str]) -> tuple[list[str], list[pyarrow.Array]]:
    if (
        isinstance(X, Mapping)
        or not isinstance(X, Sequence)
        or not all(isinstance(row, Mapping) for row in X)
    ):
        raise InputError(
            "X: neither a data frame nor a list of mappings; give a frame with the columns of the training table"
        )
    rows = [_flat_row(number, row) for number, row in enumerate(X)]
    names = list(dict.fromkeys([*(name for row in rows for name in row), *(columns if rows else ())]))
    _check_names(names)
    return names, [_to_array(name, [row.get(name) for row in rows]) for name in names]


def _flat_row(number: int, row: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Return a row with the keys of mappings inside it."""
    if not any(isinstance(value, Mapping) for value in row.values()):
        return row
    items = list(flat_items(row))
    repeated = next((name for name, count in Counter(name for name, _ in items).items() if count > 1), None)
    if repeated is not None:
        raise InputError(
            f"X: row {number}: the key {repeated!r} occurs twice, once inside another key; rename one"
        )
    return dict(items)


def _to_array(name: str, values: list[Any]) -> pyarrow.Array:
    """Return Python objects as an array. Objects of several types become text, and lists among them their JSON."""
    values = [value.to_timestamp() if type(value).__name__ == "Period" else value for value in values]
    try:
        return pyarrow.array(values, from_pandas=True)
    except ARROW_ERRORS:
        return pyarrow.array(
            [_to_text(name, row, value) for row, value in enumerate(values)], pyarrow.string()
        )


def _to_text(name: str, row: int, value: Any) -> str | None:
    if is_missing(value):
        return None
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes):
        with contextlib.suppress(TypeError, ValueError):
            return json.dumps(np.asarray(value).tolist())
    not_text = Mapping, bytes, complex, np.complexfloating
    if isinstance(value, not_text) or (isinstance(value, Sequence) and not isinstance(value, str)):
        raise InputError(f"X: row {row}, column {name!r}: {type(value).__name__}; give a number or text")
    text = str(value)
    if not is_unicode(text):
        raise InputError(f"X: row {row}, column {name!r}: {text[:40]!r} is not Unicode; correct it")
    return text
