"""Read data frames of pandas, polars and pyarrow as float64 rows.

Columns of text, categories and enumerations become numbers of levels. Booleans and nullable numbers become numbers.
"""

from collections.abc import Mapping
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
import pyarrow
from numpy.typing import NDArray

from ebmood.core.errors import InputError, one_line
from ebmood.detector.cells.categories import (
    Levels,
    category_name,
    category_names,
    encode,
    find_levels,
    level_numbers,
)
from ebmood.detector.cells.cell_values import MAX_INTEGER, read_numbers
from ebmood.detector.io.frame_stream import column_names
from ebmood.detector.validation.rows import Columns, Rows, check_columns
from ebmood.detector.validation.scalars import (
    ARRAYS_HINT,
    CONVERT_HINT,
    CORRECT_HINT,
    describe_empty,
    parse_cells,
)

UNREADABLE = (pyarrow.ArrowException, OverflowError, UnicodeEncodeError)
"""What pandas, polars and pyarrow raise about dates that Python does not have, and text that is not Unicode."""


def read_data_frame(
    X: Any,
    levels: Mapping[int, Levels] | None = None,
    columns: Columns | None = None,
    extend_levels: bool = False,
) -> Rows:
    """Return a data frame as rows with column names. The values may still be infinite.

    Args:
        X: the data frame.
        levels: the levels of the category columns of the fit; None to find category columns and their levels.
        columns: the columns of the fit; None for training rows.
        extend_levels: whether new levels follow those of the fit.

    Raises:
        InputError: a column name occurs twice, the frame is empty, its columns are not those of the fit, or a column
            holds neither numbers nor categories.
    """
    native_names = column_names(X)
    names = _text_names(native_names)
    frame = nw.from_native(X, eager_only=True)
    if not frame.shape[1] or not frame.shape[0]:
        raise InputError(describe_empty(frame.shape))
    shape = (len(native_names),)
    if columns is not None:
        check_columns(Columns(shape, names), columns)
    values: list[NDArray[np.float64]] = []
    used: dict[int, Levels] = {}
    for number, name in enumerate(native_names):
        series, label = frame[:, number], f"column {name!r}"
        try:
            if holds_categories(series, label) if levels is None else number in levels:
                categories = category_names(series.to_list())
                used[number] = () if levels is None else levels[number]
                if levels is None or extend_levels:
                    known = level_numbers(used[number])
                    used[number] += find_levels(name for name in categories if name not in known)
                values.append(encode(pyarrow.array(categories, pyarrow.large_string()), used[number]))
            else:
                values.append(_read_numbers(series, label, may_be_text=levels is not None))
        except UNREADABLE as error:
            raise InputError(
                f"X: {label}: {one_line(error)}; correct the cells, or leave the column out"
            ) from error
    return Rows(np.column_stack(values), shape, names, used)


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
        numbers = read_numbers(series.to_arrow())
        if numbers.errors:
            row = min(numbers.errors)
            raise InputError(f"X: row {row}, {label}: {numbers.errors[row]}; {CORRECT_HINT}")
        return numbers.values
    if kind == nw.List or kind == nw.Array:
        raise InputError(f"X: {label}: values of type {kind}; {ARRAYS_HINT}")
    if kind == nw.Object or kind == nw.Unknown:
        return parse_cells(series.to_list(), label)
    raise InputError(f"X: {label}: values of type {kind}; {CONVERT_HINT}")
