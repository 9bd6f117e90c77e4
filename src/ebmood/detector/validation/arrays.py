"""Read X from NumPy, torch, nested lists and data frames as float64 rows, or raise one line that says what is wrong."""

from collections.abc import Mapping
from os import PathLike
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray

from ebmood.core.errors import InputError, one_line
from ebmood.core.words import noun
from ebmood.detector.cells.categories import Levels
from ebmood.detector.cells.cell_values import MAX_INTEGER
from ebmood.detector.validation.data_frames import read_data_frame
from ebmood.detector.validation.rows import Columns, Rows, check_columns, check_not_infinite, describe_column
from ebmood.detector.validation.scalars import describe_empty, parse_cells


def read_rows(
    X: Any,
    levels: Mapping[int, Levels] | None = None,
    columns: Columns | None = None,
    extend_levels: bool = False,
) -> Rows:
    """Return X as float64 rows. Arrays with more than two axes are flattened to `(N, D)`. NaN is a missing value.

    >>> read_rows([[1, 2], [3, None]]).values
    array([[ 1.,  2.],
           [ 3., nan]])

    Args:
        X: the rows.
        levels: the levels of the category columns of the fit. None for training rows, of which a data frame may have
            category columns.
        columns: the columns of the fit, with which those of X are compared before the values are read. None for
            training rows.
        extend_levels: whether new levels are added to those of the fit, whose numbers stay.

    Raises:
        InputError: X does not hold numbers, has other columns, or is not a data frame although the fit had
            categories. The message names row and column.
    """
    if isinstance(X, pyarrow.RecordBatch):
        X = pyarrow.Table.from_batches([X])
    if nw.dependencies.is_into_dataframe(X):
        return check_not_infinite(read_data_frame(X, levels, columns, extend_levels))
    array = _as_array(X)
    _check_shape(array)
    shape = array.shape[1:]
    if levels:
        raise InputError(
            f"X: an array, but the detector was fitted on a data frame with {len(levels)} category columns; give a "
            "data frame with the columns of the fit"
        )
    if columns is not None:
        check_columns(Columns(shape), columns)
    values = _to_floats(array)
    return check_not_infinite(Rows(np.ascontiguousarray(values.reshape(len(values), -1)), shape))


def is_array(X: Any) -> bool:
    """Return whether X is an array, a tensor, or a list of rows, and neither a data frame nor mappings."""
    if isinstance(X, list | tuple):
        return len(X) > 0 and not isinstance(X[0], Mapping)
    return isinstance(X, np.ndarray | torch.Tensor)


def _check_shape(array: NDArray[Any]) -> None:
    if array.dtype.names:
        raise InputError("X: an array with named fields; give a data frame, such as pandas.DataFrame(X)")
    if array.ndim == 1 and array.dtype == object and any(isinstance(row, Mapping) for row in array[:1]):
        raise InputError("X: a list of mappings; give a data frame, such as pandas.DataFrame(X)")
    if array.ndim == 1 and array.dtype == object and len(array):
        first = array[0]
        if hasattr(first, "__len__") and not isinstance(first, str | bytes):
            raise InputError(f"X: an array of objects of type {type(first).__name__}; give np.stack(X)")
    if array.ndim < 2:
        hint = "X.reshape(1, -1) if it is one row, X.reshape(-1, 1) if it is one column"
        raise InputError(f"X: expected 2 axes or more, got {array.ndim}. Reshape your data: {hint}")
    if not array.shape[0] or not array.size:
        raise InputError(describe_empty(array.shape))


def _to_floats(array: NDArray[Any]) -> NDArray[np.float64]:
    match array.dtype.kind:
        case "c":
            raise InputError("X: Complex data not supported; give real and imaginary parts as columns")
        case "f" | "b":
            with np.errstate(over="ignore"):  # an overflow of long double becomes infinity, an error later
                return array.astype(np.float64, copy=False)
        case "i" | "u":
            if array.max() > MAX_INTEGER or array.min() < -MAX_INTEGER:
                _parse_objects(array)
            return array.astype(np.float64)
        case "O" | "U" | "S":
            return _parse_objects(array)
        case "M" | "m":
            raise InputError("X: dates or times in every column; convert them to numbers")
        case _:
            raise InputError(f"X: values of type {array.dtype}; give numbers")


def _as_array(X: Any) -> NDArray[Any]:
    if isinstance(X, torch.Tensor):
        if X.layout != torch.strided:
            raise InputError("X: sparse tensors are not supported; give X.to_dense()")
        if X.is_meta:
            raise InputError("X: a meta tensor has no values; give a tensor on a device")
        X = X.detach().cpu().resolve_conj()
        X = (X.double() if X.is_floating_point() else X).numpy()
    if isinstance(X, Mapping | str | bytes | PathLike):
        raise InputError(f"X: {_describe_container(X)}")
    if hasattr(X, "tocsr"):
        raise InputError("X: sparse matrices are not supported; give X.toarray()")
    if nw.dependencies.is_into_series(X) or hasattr(X, "collect"):
        raise InputError(
            "X: neither a table nor an array with two axes. Reshape your data, or collect() a lazy frame"
        )
    if isinstance(X, np.ma.MaskedArray) and X.dtype.kind in "fbiu":
        return np.ma.filled(X.astype(np.float64), np.nan)
    try:
        array = np.asarray(X)
    except (ValueError, TypeError, OverflowError, RuntimeError) as error:
        problem = _describe_ragged(X) or f"cannot be read as an array ({one_line(error)})"
        raise InputError(f"X: {problem}") from error
    if array.ndim == 0 and array.dtype == object:
        kind = "None" if X is None else f"of type {type(X).__name__}"
        rows = "list(X), if it yields rows" if hasattr(X, "__iter__") else "an array (N, D), or a data frame"
        raise InputError(f"X: {kind}; give {rows}")
    return array


def _describe_container(X: "Mapping[Any, Any] | str | bytes | PathLike[Any]") -> str:
    if not isinstance(X, Mapping):
        return f"{type(X).__name__} is not an array; read the file first"
    names = ", ".join(map(str, X))[:100]
    return f"{type(X).__name__} with {names or 'nothing'}; give one array, or a data frame such as pandas.DataFrame(X)"


def _parse_objects(array: NDArray[Any]) -> NDArray[np.float64]:
    shape = array.shape[1:]
    table = array.reshape(len(array), -1)
    columns = (
        parse_cells(table[:, j].tolist(), describe_column(j, shape, None)) for j in range(table.shape[1])
    )
    return np.column_stack(list(columns)).reshape(array.shape)


def _describe_ragged(X: Any) -> str | None:
    try:
        lengths = [len(row) for row in X]
    except TypeError:
        return None
    different = [row for row, length in enumerate(lengths) if length != lengths[0]]
    if not different:
        return None
    row, values = different[0], lengths[different[0]]
    return f"row {row} has {values} {noun(values, 'value')}, row 0 has {lengths[0]}"
