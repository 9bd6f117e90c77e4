"""Classes of a supervised fit, checked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebmood.core.errors import InputError

FEWEST = 2  # training rows of a class


@dataclass(frozen=True)
class Labels:
    """Classes `(K,)` in sorted order, and the number of each row's class `(N,)`."""

    classes: NDArray[Any]
    codes: NDArray[np.intp]


def read_labels(y: Any, rows: int, training: NDArray[np.intp]) -> Labels:
    """`y` as class numbers.

    Args:
        y: `(N,)` text, whole numbers or booleans.
        rows: N.
        training: which rows the model is fitted on; every class needs two of them.

    Raises:
        InputError: y is missing, of another length, no classes, or a class has too few rows.
    """
    if y is None:
        raise InputError(
            "y: supervised=True requires y to be passed, but the target y is None: one class for each row"
        )
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.shape != (rows,):
        raise InputError(f"y: of shape {y.shape}; X has {rows} rows, so y must be of shape ({rows},)")
    if y.dtype.kind == "f":
        if not np.isfinite(y).all():
            row = int(np.flatnonzero(~np.isfinite(y))[0])
            raise InputError(
                f"y: row {row}: {y[row]}; Input contains NaN or infinity, every row needs a class"
            )
        if (y != np.round(y)).any():
            row = int(np.flatnonzero(y != np.round(y))[0])
            raise InputError(f"y: row {row}: {y[row]}; Unknown label type: continuous, give classes")
    elif y.dtype.kind == "O":
        y = _one_kind(y)
    elif y.dtype.kind not in "biuU":
        raise InputError(f"y: Unknown label type: {y.dtype}; give text or whole numbers")
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"y: 1 class ({classes[0]!s}) in all rows; supervised=True needs two or more")
    counts = np.bincount(codes[training], minlength=len(classes))
    if counts.min() < FEWEST:
        few = int(counts.argmin())
        raise InputError(
            f"y: class {classes[few]!s} has {counts[few]} of {len(training)} training rows, calibration rows left out, "
            f"and needs {FEWEST}; give more rows of it, merge it with another, or set supervised=False"
        )
    return Labels(classes, codes)


def _one_kind(y: NDArray[Any]) -> NDArray[Any]:
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
