"""Read data frames of pandas, polars and pyarrow as float64 rows.

Columns of text, categories and enumerations become numbers of levels. Booleans and nullable numbers become numbers.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
from numpy.typing import NDArray

from ebmood.core.errors import InputError
from ebmood.detector.cells.categories import (
    Levels,
    category_name,
    category_names,
    encode,
    find_levels,
    level_numbers,
)
from ebmood.detector.cells.cell_values import MAX_INTEGER
from ebmood.detector.validation.rows import Rows
from ebmood.detector.validation.scalars import (
    ARRAYS_HINT,
    CONVERT_HINT,
    describe_empty,
    parse_cells,
    read_number,
)


def read_data_frame(X: Any, levels: Mapping[int, Levels] | None = None) -> Rows:
    """Return a data frame as rows with column names. The values may still be infinite.

    Args:
        X: the data frame.
        levels: the levels of the category columns of the fit; None to find category columns and their levels.

    Raises:
        InputError: a column name occurs twice, the frame is empty, or a column holds neither numbers nor categories.
    """
    native_names = list(getattr(X, "column_names", getattr(X, "columns", ())))
    names = _text_names(native_names)
    repeated = [str(name) for name, count in Counter(native_names).items() if count > 1]
    if repeated:
        positions = [i for i, name in enumerate(native_names) if str(name) == repeated[0]]
        raise InputError(f"X: two columns are called {repeated[0]!r} (columns {positions}); rename one")
    frame = nw.from_native(X, eager_only=True)
    if not frame.shape[1] or not frame.shape[0]:
        raise InputError(describe_empty(frame.shape))
    columns: list[NDArray[np.float64]] = []
    used: dict[int, Levels] = {}
    for number, name in enumerate(native_names):
        series, label = frame[:, number], f"column {name!r}"
        if holds_categories(series, label) if levels is None else number in levels:
            categories = category_names(series.to_list())
            used[number] = find_levels(categories) if levels is None else levels[number]
            columns.append(encode(categories, used[number]))
        else:
            columns.append(_read_numbers(series, label, may_be_text=levels is not None))
    return Rows(np.column_stack(columns), (len(columns),), names, used)


def holds_categories(series: nw.Series, label: str) -> bool:
    """Return whether a column of training rows holds categories.

    Raises:
        InputError: it holds text among numbers.
    """
    if series.dtype in (nw.String, nw.Categorical, nw.Enum):
        return True
    if series.dtype != nw.Object:
        return False
    cells = [cell for cell in series.to_list() if category_name(cell) is not None]
    text = sum(isinstance(cell, str) for cell in cells)
    if not text:
        return False
    if text < len(cells) / 2:
        parse_cells(series.to_list(), label)  # raises an error about the first text
    return True


def _text_names(names: list[Any]) -> tuple[str, ...] | None:
    if any(isinstance(name, tuple) for name in names):
        raise InputError(
            f"X: the columns have names of several levels (e.g. {names[0]!r}); make them text, such as "
            "X.columns = ['_'.join(map(str, name)) for name in X.columns]"
        )
    is_text = {isinstance(name, str) for name in names}
    if is_text == {True, False}:
        other = next(name for name in names if not isinstance(name, str))
        raise InputError(
            f"X: some column names are text and others are not (e.g. {other!r}); make all of them text"
        )
    return tuple(names) if is_text == {True} else None


def _read_numbers(series: nw.Series, label: str, may_be_text: bool) -> NDArray[np.float64]:
    kind = series.dtype
    if kind.is_integer():
        limits = series.drop_nulls()
        if len(limits) and max(abs(int(limits.min())), abs(int(limits.max()))) > MAX_INTEGER:
            parse_cells(series.to_list(), label)
    if kind.is_numeric() or kind == nw.Boolean:
        return series.cast(nw.Float64).to_numpy().astype(np.float64)
    if kind.is_temporal():
        raise InputError(f"X: {label}: dates or times ({kind}); {CONVERT_HINT}")
    if kind in (nw.String, nw.Categorical, nw.Enum) and may_be_text:
        return parse_cells(map(read_number, series.to_list()), label)
    if kind == nw.List or kind == nw.Array:
        raise InputError(f"X: {label}: values of type {kind}; {ARRAYS_HINT}")
    if kind == nw.Object or kind == nw.Unknown:
        return parse_cells(series.to_list(), label)
    raise InputError(f"X: {label}: values of type {kind}; {CONVERT_HINT}")


def extend_levels(X: Any, levels: Mapping[int, Levels]) -> dict[int, Levels]:
    """Return the levels of the category columns of the fit, followed by new ones in X. Known levels keep their numbers.

    Args:
        X: a data frame; the levels do not change for any other input.
        levels: the levels of the category columns of the fit, by position.
    """
    if not levels or not nw.dependencies.is_into_dataframe(X):
        return dict(levels)
    frame = nw.from_native(X, eager_only=True)
    extended = dict(levels)
    for column in (column for column in levels if column < frame.shape[1]):
        known = level_numbers(levels[column])
        names = category_names(frame[:, column].to_list())
        extended[column] += find_levels(name for name in names if name not in known)
    return extended
