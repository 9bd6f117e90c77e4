"""The arguments of an update of a monitor, checked before the monitor changes."""

import datetime
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebmood.core.errors import InputError
from ebmood.detector.score_batch import ScoreBatch

Floats = NDArray[np.float64]


def read_label(label: Any) -> str | None:
    """Return the name of a batch as text; None for no name.

    >>> read_label(3), read_label(datetime.date(2024, 1, 31)), read_label(None)
    ('3', '2024-01-31', None)

    Raises:
        InputError: it is neither a text nor a number nor a time.
    """
    if label is None:
        return None
    if not isinstance(label, str | Number | np.generic | datetime.date | datetime.time):
        raise InputError(
            f"label: a {type(label).__name__} is no name of a batch; give a text, a number or a time"
        )
    text = str(label)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"label: {text!r} has half of a character, which no file can hold; leave it out"
        ) from None
    return text


def check_scored(batch: ScoreBatch) -> None:
    """Check that every row has a score and a flag.

    Raises:
        InputError: one has none.
    """
    scores, flags = np.asarray(batch.scores), np.asarray(batch.flags)
    if scores.ndim != 1 or scores.shape != flags.shape or flags.dtype != bool:
        raise InputError(
            f"batch: scores of shape {scores.shape} and flags of shape {flags.shape}; give one score and one flag for "
            "each row"
        )
    if np.isnan(scores).any():
        raise InputError(f"batch: row {int(np.isnan(scores).argmax())} has no score; leave it out")


def read_values(values: Any, rows: int, features: int) -> Floats:
    """Return encoded rows as float64 `(N, D)`.

    Raises:
        InputError: they have another shape, are no numbers, or a value is infinite.
    """
    try:
        values = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("values: not all are numbers; give the encoded rows") from None
    if values.shape != (rows, features):
        raise InputError(f"values: have shape {values.shape}; give {rows} rows of {features} features")
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0]
        raise InputError(f"values: row {row}, column {column}: is infinite; leave the row out")
    return values
