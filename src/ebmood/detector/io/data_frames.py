"""Read data frames of pandas, polars and pyarrow as float64 rows."""

from collections import Counter
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
from numpy.typing import NDArray

from ebmood.core.errors import InputError
from ebmood.detector.io.rows import Rows
from ebmood.detector.io.scalars import CONVERT_HINT, MAX_INTEGER, describe_empty, parse_cells


def read_data_frame(X: Any) -> Rows:
    """Return a data frame as rows with column names. The values may still be NaN or infinite.

    Raises:
        InputError: a column name occurs twice, the frame is empty, or a column does not hold numbers.
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
    columns = [_read_series(frame[:, i], f"column {name!r}") for i, name in enumerate(native_names)]
    return Rows(np.column_stack(columns), (len(columns),), names)


def _text_names(names: list[Any]) -> tuple[str, ...] | None:
    is_text = {isinstance(name, str) for name in names}
    if is_text == {True, False}:
        other = next(name for name in names if not isinstance(name, str))
        raise InputError(
            f"X: some column names are text and others are not (e.g. {other!r}); make all of them text"
        )
    return tuple(names) if is_text == {True} else None


def _read_series(series: nw.Series, label: str) -> NDArray[np.float64]:
    kind = series.dtype
    if kind.is_integer():
        lowest, highest = series.min(), series.max()
        if lowest is not None and max(abs(int(lowest)), abs(int(highest))) > MAX_INTEGER:
            parse_cells(series.to_list(), label)
    if kind.is_numeric() or kind == nw.Boolean:
        return series.cast(nw.Float64).to_numpy().astype(np.float64)
    if kind.is_temporal():
        raise InputError(f"X: {label}: dates or times ({kind}); {CONVERT_HINT}")
    if kind == nw.Object or kind == nw.Unknown:
        return parse_cells(series.to_list(), label)
    if kind in (nw.String, nw.Categorical, nw.Enum):
        parse_cells(series.to_list(), label)
        raise InputError(
            f"X: {label}: holds categories, not numbers; one-hot encode it (`--one-hot`) or {CONVERT_HINT}"
        )
    raise InputError(f"X: {label}: values of type {kind}; {CONVERT_HINT}")
