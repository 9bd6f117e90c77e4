"""Validate labels: the classes of a supervised fit, and marks of normal rows and outliers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebmood.core.errors import InputError
from ebmood.core.metrics import separation

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


def encode_known_labels(y: Any, rows: int, classes: NDArray[Any]) -> NDArray[np.intp]:
    """Return `y` as indices of the classes of an earlier fit.

    Args:
        y: `(N,)` classes.
        rows: N.
        classes: the classes of the fit.

    Raises:
        InputError: `y` is missing, has a wrong length, holds an unknown class, or a class has no rows.
    """
    names = ", ".join(map(str, classes.tolist()))
    if y is None:
        raise InputError(f"y: fitted with the classes {names}; give y, one class for each row")
    y = np.asarray(y)
    if y.shape != (rows,):
        raise InputError(f"y: has shape {y.shape}, but X has {rows} rows; y must have shape ({rows},)")
    numbers = {name: k for k, name in enumerate(classes.tolist())}
    unknown = [row for row, name in enumerate(y.tolist()) if name not in numbers]
    if unknown:
        raise InputError(
            f"y: row {unknown[0]}: {y[unknown[0]]!s} is not a class of the fit; these are {names}"
        )
    codes = np.array([numbers[name] for name in y.tolist()], dtype=np.intp)
    empty = np.flatnonzero(np.bincount(codes, minlength=len(classes)) == 0)
    if len(empty):
        raise InputError(f"y: class {classes[empty[0]]!s} has no rows; give rows of every class")
    return codes


def labelled_auroc(scores: NDArray[np.float64], y: Any) -> float:
    """Return the AUROC of scores `(N,)`, where a higher score means more normal.

    Args:
        scores: `(N,)`.
        y: `(N,)` labels: 1 for normal rows and -1 for outliers, or 0 for normal rows and another number for outliers.

    Raises:
        InputError: `y` is missing or invalid, or marks all rows as normal, or all as outliers.

    >>> labelled_auroc(np.array([3.0, 2.0, 1.0]), [1, 1, -1]), labelled_auroc(np.array([3.0, 2.0, 1.0]), [0, 1, 0])
    (1.0, 0.5)
    """
    if y is None:
        raise InputError(
            "score: needs y, 1 for normal rows and -1 for outliers; give it, or use another scorer"
        )
    y = np.asarray(y)
    is_number = y.dtype.kind in "biuf" and np.isfinite(y).all()
    values = set(np.unique(y).tolist()) if is_number else set()
    if y.shape != scores.shape or not is_number or (min(values) < 0 and not values <= {-1, 1}):
        raise InputError(
            f"score: y has shape {y.shape} and type {y.dtype}; give one number for each of the {len(scores)} rows: 1 "
            "and -1 for normal rows and outliers, or 0 and 1"
        )
    is_outlier = y == -1 if values <= {-1, 1} else y != 0
    if is_outlier.all() or not is_outlier.any():
        kind = "outliers" if is_outlier.all() else "normal rows"
        raise InputError(
            f"score: all {len(y)} rows of y are {kind}, and the AUROC needs both; give folds with both, such as "
            "cv=StratifiedKFold(shuffle=True)"
        )
    return separation(scores[~is_outlier], scores[is_outlier]).auroc


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
