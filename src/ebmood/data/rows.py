"""Checks of rows that a caller gives to a trained model or to a split."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ebmood.core.errors import InputError


def rows_of(x: Any, shape: tuple[int, ...] | None, name: str = "x") -> np.ndarray:
    """Return rows as an array of numbers `(N, *shape)`, without a copy if they are one.

    Args:
        x: an array, a list or a data frame.
        shape: shape of one row; None for any.
        name: name of the rows in messages.

    Raises:
        InputError: the values are not numbers, or rows have another shape.
    """
    try:
        rows = np.asarray(x)
    except ValueError as error:
        raise InputError(f"{name}: rows of different lengths; give an array (rows, columns)") from error
    if rows.dtype.kind not in "fiub":
        raise InputError(f"{name}: values of type {rows.dtype}; give numbers")
    if rows.ndim < 2:
        raise InputError(f"{name}: {rows.ndim} axes; give rows and columns, x[None] if it is one row")
    if shape is None or rows.shape[1:] == shape:
        return rows
    if len(shape) == 1 and rows.ndim == 2:
        raise InputError(
            f"{name}: {rows.shape[1]} columns, but the training rows have {shape[0]}; give the same columns"
        )
    raise InputError(
        f"{name}: rows of shape {rows.shape[1:]}, but the training rows have {shape}; give the same shape"
    )


def check_finite(x: np.ndarray, name: str = "x", features: Sequence[str] = (), first: int = 0) -> None:
    """Raise an `InputError` with row and column if a number is not finite.

    Args:
        x: rows `(N, *shape)` of numbers.
        name: name of the rows in messages.
        features: names of the columns; empty for numbers.
        first: number of the first row, for messages.
    """
    if x.dtype.kind != "f" or np.isfinite(x).all():
        return
    index = tuple(np.argwhere(~np.isfinite(x))[0].tolist())
    raise InputError(
        f"{name}: {x[index]:g} in row {first + index[0]}, column {column_name(features, index[1:])}; fill in or drop "
        "such values"
    )


def column_name(features: Sequence[str], index: tuple[int, ...]) -> str:
    """Return the name of a column in messages, or its index without names.

    >>> column_name(("age", "weight"), (1,)), column_name((), (1,)), column_name((), (0, 2))
    ("'weight'", '1', '(0, 2)')
    """
    if features:
        return repr(features[index[0]])
    return str(index[0] if len(index) == 1 else index)
