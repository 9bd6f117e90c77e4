"""What comes in as X: NumPy, pandas, polars, pyarrow, torch or lists; float64 rows, or one line on what is wrong.

Rows are counted from 0, as in `X[row]`.
"""

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
import torch
from numpy.typing import NDArray

from ebmood.core.errors import InputError

EXACT = 2**53  # beyond it float64 skips whole numbers, so two identifiers may become one
HUGEST = 1e100  # in rows to fit; squares of anything larger leave float64
_DROP = "drop the column (`--drop`) or convert it to numbers"


@dataclass(frozen=True)
class Rows:
    """Checked input.

    Attributes:
        values: `(N, D)`, finite.
        shape: of one row as it came: `(D,)` for a table, `(C, H, W)` for an image.
        names: of the columns, where X is a data frame whose column names are all text.
    """

    values: NDArray[np.float64]
    shape: tuple[int, ...]
    names: tuple[str, ...] | None = None

    def place(self, row: int, column: int) -> str:
        """How to name a cell in an error."""
        return f"row {row}, {_label(column, self.shape, self.names)}"


def read_rows(X: Any) -> Rows:
    """X as float64 rows; anything beyond two axes is flattened.

    Raises:
        InputError: X is no table of finite numbers; the message names row and column.
    """
    if nw.dependencies.is_into_dataframe(X):
        return _finite(_read_frame(X))
    values = _read_array(X)
    shape = values.shape[1:]
    return _finite(Rows(np.ascontiguousarray(values.reshape(len(values), -1)), shape))


def refuse_huge(rows: Rows) -> None:
    """Values that can be scored, as very strange ones, but not be fitted."""
    huge = np.abs(rows.values) > HUGEST
    if huge.any():
        row, column = (int(i) for i in np.argwhere(huge)[0])
        value = rows.values[row, column]
        raise InputError(
            f"X: {rows.place(row, column)}: {value:.3g} is too large to fit (over {HUGEST:g}); "
            "leave the row out, or drop the column (`--drop`) or rescale it"
        )


def check_columns(
    rows: Rows, shape: tuple[int, ...], names: tuple[str, ...] | None, estimator: str = "EnergyDetector"
) -> None:
    """The columns are those of the fit, by number and, where both have names, by name and order.

    Raises:
        InputError: they are not; the message names the first column that differs.
    """
    if rows.names is not None and names is not None and rows.names != names:
        raise InputError(f"X: {_names_differ(rows.names, names)}")
    if rows.shape != shape:
        if len(rows.shape) == 1 and len(shape) == 1:
            raise InputError(
                f"X has {rows.shape[0]} features, but {estimator} is expecting {shape[0]} features as input"
            )
        raise InputError(
            f"X: rows of shape {rows.shape}, but the detector was fitted on rows of shape {shape}"
        )
    if (rows.names is None) == (names is None):
        return
    if names is not None:  # scikit-learn's words, which its users filter
        message = f"X does not have valid feature names, but {estimator} was fitted with feature names"
    else:
        message = f"X has feature names, but {estimator} was fitted without feature names"
    warnings.warn(message, UserWarning, stacklevel=4)


def column_labels(shape: tuple[int, ...], names: tuple[str, ...] | None) -> tuple[str, ...]:
    """A name for every feature: the column's own, or `x3`, or `x[0,2,5]` for an image's."""
    if names is not None:
        return names
    if len(shape) == 1:
        return tuple(f"x{column}" for column in range(shape[0]))
    return tuple(f"x[{','.join(map(str, index))}]" for index in np.ndindex(*shape))


def _label(column: int, shape: tuple[int, ...], names: tuple[str, ...] | None) -> str:
    if names is not None:
        return f"column {names[column]!r}"
    if len(shape) == 1:
        return f"column {column}"
    return f"feature {tuple(int(i) for i in np.unravel_index(column, shape))}"


def _finite(rows: Rows) -> Rows:
    if not np.isfinite(rows.values).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(rows.values))[0])
        value = rows.values[row, column]
        what = "NaN: a missing value" if np.isnan(value) else f"{value}: infinity"
        mend = "fill it in (`--impute`), or leave out the row or the column (`--drop`)"
        raise InputError(f"X: {rows.place(row, column)}: {what}; {mend}")
    return rows


def _read_frame(X: Any) -> Rows:
    native = list(getattr(X, "column_names", getattr(X, "columns", ())))
    names = _text_names(native)
    repeated = [str(name) for name, count in Counter(native).items() if count > 1]
    if repeated:
        places = [place for place, name in enumerate(native) if str(name) == repeated[0]]
        raise InputError(f"X: two columns are called {repeated[0]!r} (columns {places}); rename one")
    frame = nw.from_native(X, eager_only=True)
    if not frame.shape[1] or not frame.shape[0]:
        raise InputError(_too_small(frame.shape))
    columns = []
    for number, name in enumerate(native):
        label = f"column {name!r}"
        columns.append(_read_series(frame[:, number], label))
    return Rows(np.column_stack(columns), (len(columns),), names)


def _text_names(names: list[Any]) -> tuple[str, ...] | None:
    kinds = {isinstance(name, str) for name in names}
    if kinds == {True, False}:
        odd = next(name for name in names if not isinstance(name, str))
        raise InputError(f"X: column names are text and others mixed (e.g. {odd!r}); make all of them text")
    return tuple(names) if kinds == {True} else None


def _read_series(series: nw.Series, label: str) -> NDArray[np.float64]:
    kind = series.dtype
    if kind.is_integer():
        lowest, highest = series.min(), series.max()
        if lowest is not None and max(abs(int(lowest)), abs(int(highest))) > EXACT:
            _cells(series.to_list(), label)
    if kind.is_numeric() or kind == nw.Boolean:
        return series.cast(nw.Float64).to_numpy().astype(np.float64)
    if kind.is_temporal():
        raise InputError(f"X: {label}: dates or times ({kind}); {_DROP}")
    if kind == nw.Object or kind == nw.Unknown:
        return _cells(series.to_list(), label)
    if kind in (nw.String, nw.Categorical, nw.Enum):
        _cells(series.to_list(), label)
        raise InputError(
            f"X: {label}: holds categories, not numbers; one-hot encode it (`--one-hot`) or {_DROP}"
        )
    raise InputError(f"X: {label}: values of type {kind}; {_DROP}")


def _read_array(X: Any) -> NDArray[np.float64]:
    if isinstance(X, torch.Tensor):
        X = X.detach().cpu().resolve_conj()
        X = (X.double() if X.is_floating_point() else X).numpy()
    if hasattr(X, "tocsr"):
        raise InputError("X: a sparse matrix; sparse input is not supported, give X.toarray()")
    if nw.dependencies.is_into_series(X) or hasattr(X, "collect"):
        raise InputError(
            "X: neither a table nor an array of two axes. Reshape your data, or collect() a lazy frame"
        )
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        place = tuple(int(i) for i in np.argwhere(np.ma.getmaskarray(X))[0])
        raise InputError(f"X: row {place[0]}, column {place[1:]}: masked, a missing value; fill it in")
    try:
        array = np.asarray(X)
    except (ValueError, TypeError, OverflowError, RuntimeError) as error:
        raise InputError(
            f"X: {_ragged(X) or f'cannot be read as an array ({_first_line(error)})'}"
        ) from error
    if array.ndim < 2:
        hint = "X.reshape(1, -1) if it is one row, X.reshape(-1, 1) if it is one column"
        raise InputError(f"X: expected 2 axes or more, got {array.ndim}. Reshape your data: {hint}")
    if not array.shape[0] or not array.size:
        raise InputError(_too_small(array.shape))
    match array.dtype.kind:
        case "c":
            raise InputError("X: Complex data not supported; give real and imaginary parts as columns")
        case "f" | "b":
            with np.errstate(over="ignore"):  # from a wider type than float64: the infinity is named below
                return array.astype(np.float64, copy=False)
        case "i" | "u":
            if array.max() > EXACT or array.min() < -EXACT:
                _object_array(array)
            return array.astype(np.float64)
        case "O" | "U" | "S":
            return _object_array(array)
        case "M" | "m":
            raise InputError("X: dates or times in every column; convert them to numbers")
        case _:
            raise InputError(f"X: values of type {array.dtype}; give numbers")


def _object_array(array: NDArray[Any]) -> NDArray[np.float64]:
    shape = array.shape[1:]
    table = array.reshape(len(array), -1)
    columns = (_cells(table[:, j].tolist(), _label(j, shape, None)) for j in range(table.shape[1]))
    return np.column_stack(list(columns)).reshape(array.shape)


def _cells(cells: Iterable[Any], label: str) -> NDArray[np.float64]:
    """Numbers one by one, so that the first that is none can be named."""
    values = []
    for row, cell in enumerate(cells):
        place = f"X: row {row}, {label}"
        if isinstance(cell, (str, bytes)):
            raise InputError(
                f"{place}: text {_short(cell)}; one-hot encode the column (`--one-hot`) or {_DROP}"
            )
        if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
            values.append(np.nan)
            continue
        try:
            value = float(cell)
        except OverflowError as error:
            raise InputError(f"{place}: a whole number past 2^53; {_DROP} below that") from error
        except (TypeError, ValueError) as error:
            raise InputError(f"{place}: {_first_line(error)}; {_DROP}") from error
        if isinstance(cell, (int, np.integer)) and abs(int(cell)) > EXACT:
            raise InputError(
                f"{place}: the whole number {_short(cell)} is past 2^53, where float64 cannot tell "
                "neighbours apart; drop the column (`--drop`) if it is an identifier, or make it a float"
            )
        values.append(value)
    return np.array(values, dtype=np.float64)


def _names_differ(given: Sequence[str], fitted: Sequence[str]) -> str:
    missing = [name for name in fitted if name not in set(given)]
    unknown = [name for name in given if name not in set(fitted)]
    if missing:
        close = get_close_matches(missing[0], unknown, n=1)
        hint = f" (is it {close[0]!r}?)" if close else ""
        counts = f"{len(missing)} missing, {len(unknown)} unknown in all"
        return f"column {missing[0]!r} of the fit is missing{hint}; {counts}"
    if unknown:
        return (
            f"column {unknown[0]!r} was not there at the fit; drop it (`--drop`); {len(unknown)} such in all"
        )
    place = next(i for i, (a, b) in enumerate(zip(given, fitted, strict=True)) if a != b)
    return (
        f"the columns are those of the fit in another order: column {place} is {given[place]!r} where the fit "
        f"had {fitted[place]!r}; select them as X[list(detector.feature_names_in_)]"
    )


def _too_small(shape: Sequence[int]) -> str:
    if not shape[0]:
        return f"X: found 0 sample(s) (shape={tuple(shape)}) while a minimum of 1 is required"
    return f"X: found array with 0 feature(s) (shape={tuple(shape)}) while a minimum of 1 is required."


def _ragged(X: Any) -> str | None:
    try:
        lengths = [len(row) for row in X]
    except TypeError:
        return None
    odd = [row for row, length in enumerate(lengths) if length != lengths[0]]
    return f"row {odd[0]} has {lengths[odd[0]]} values, row 0 has {lengths[0]}" if odd else None


def _short(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print whole numbers of thousands of digits
        return "with thousands of digits"
    return text if len(text) <= 40 else text[:37] + "..."


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
