"""Validate the class labels of a supervised fit."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebmood.core.errors import InputError

MIN_CLASS_ROWS = 2
"""Training rows that every class needs."""


@dataclass(frozen=True)
class Labels:
    """Encoded class labels.

    Attributes:
        classes: `(K,)`, sorted.
        codes: `(N,)`, the index of each row's class in `classes`.
    """

    classes: NDArray[Any]
    codes: NDArray[np.intp]


def encode_labels(y: Any, rows: int, training: NDArray[np.intp]) -> Labels:
    """Return `y` as class indices.

    Args:
        y: `(N,)` or `(N, 1)`: text, whole numbers or booleans.
        rows: N.
        training: indices of the rows on which the model is fitted. Every class needs two of them.

    Raises:
        InputError: `y` is missing, has a wrong length, does not hold classes, or a class has too few rows.
    """
    if y is None:
        raise InputError(
            "y: supervised=True requires y to be passed, but the target y is None; give one class for each row"
        )
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.shape != (rows,):
        raise InputError(f"y: has shape {y.shape}, but X has {rows} rows; y must have shape ({rows},)")
    classes, codes = np.unique(_discrete(y), return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"y: all rows have 1 class ({classes[0]!s}); supervised=True needs two or more")
    counts = np.bincount(codes[training], minlength=len(classes))
    if counts.min() < MIN_CLASS_ROWS:
        rare = int(counts.argmin())
        raise InputError(
            f"y: class {classes[rare]!s} has {counts[rare]} of {len(training)} training rows (without calibration "
            f"rows) and needs {MIN_CLASS_ROWS}; add rows, merge it with another class, or set supervised=False"
        )
    return Labels(classes, codes)


def _discrete(y: NDArray[Any]) -> NDArray[Any]:
    match y.dtype.kind:
        case "f":
            return _whole_numbers(y)
        case "O":
            return _single_type(y)
        case "b" | "i" | "u" | "U":
            return y
        case _:
            raise InputError(f"y: Unknown label type: {y.dtype}; give text or whole numbers")


def _whole_numbers(y: NDArray[Any]) -> NDArray[Any]:
    if not np.isfinite(y).all():
        row = int(np.flatnonzero(~np.isfinite(y))[0])
        raise InputError(
            f"y: row {row}: {y[row]}; Input contains NaN or infinity, but every row needs a class"
        )
    if (y != np.round(y)).any():
        row = int(np.flatnonzero(y != np.round(y))[0])
        raise InputError(f"y: row {row}: {y[row]}; Unknown label type: continuous, give classes")
    return y


def _single_type(y: NDArray[Any]) -> NDArray[Any]:
    values = y.tolist()
    if all(isinstance(value, str) for value in values):
        return np.array(values, dtype=str)
    if all(isinstance(value, int) and abs(value) < 2**63 for value in values):
        return np.array(values, dtype=np.int64)
    row = next(
        i
        for i, value in enumerate(values)
        if type(value) is not type(values[0]) or not isinstance(value, str)
    )
    raise InputError(
        f"y: row {row}: {str(values[row])[:40]!r}; Unknown label type: give only text or only whole numbers"
    )
