"""Validated rows, the names of their features, and the comparison of their columns with the columns of the fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from ebmood.core.errors import InputError, warn
from ebmood.detector.cells.categories import Levels
from ebmood.detector.io.column_names import array_column_names, leave_out

MAX_TRAINING_VALUE = 1e100
"""Largest value in training rows. The squares of larger values exceed the range of float64."""


@dataclass(frozen=True)
class Columns:
    """The columns of a table, or the shape of other rows.

    Attributes:
        shape: shape of one row of the input: `(D,)` for a table, `(C, H, W)` for an image.
        names: column names, if X is a data frame whose column names are all text.
    """

    shape: tuple[int, ...]
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Rows:
    """Validated input.

    Attributes:
        values: `(N, D)`: finite numbers, numbers of levels in category columns, and NaN for missing values.
        shape: shape of one row of the input: `(D,)` for a table, `(C, H, W)` for an image.
        names: column names, if X is a data frame whose column names are all text.
        levels: the names of the levels of every category column.
    """

    values: NDArray[np.float64]
    shape: tuple[int, ...]
    names: tuple[str, ...] | None = None
    levels: Mapping[int, Levels] = field(default_factory=dict)

    def describe_cell(self, row: int, column: int) -> str:
        """Return the name of a cell for an error message. Rows are counted from 0, as in `X[row]`."""
        return f"row {row}, {describe_column(column, self.shape, self.names)}"

    @property
    def columns(self) -> Columns:
        """The columns."""
        return Columns(self.shape, self.names)


def describe_column(column: int, shape: tuple[int, ...], names: tuple[str, ...] | None) -> str:
    """Return the name of a column for an error message."""
    if names is not None:
        return f"column {names[column]!r}"
    if len(shape) == 1:
        return f"column {column}"
    return f"feature {tuple(int(i) for i in np.unravel_index(column, shape))}"


def describe_leaving_out(column: int, shape: tuple[int, ...], names: tuple[str, ...] | None) -> str:
    """Return how to leave out a column, for an error message."""
    if len(shape) > 1:
        return "leave the feature out"
    return f"leave it out with {leave_out(column if names is None else names[column])}"


def column_labels(shape: tuple[int, ...], names: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return a name for every feature: the column name if there is one, else `x3`, or `x[0,2,5]` for an image.

    >>> column_labels((1, 1, 2), None)
    ('x[0,0,0]', 'x[0,0,1]')
    """
    if names is not None:
        return names
    if len(shape) == 1:
        return array_column_names(shape[0])
    return tuple(f"x[{','.join(map(str, index))}]" for index in np.ndindex(*shape))


def check_not_infinite(rows: Rows) -> Rows:
    """Return `rows`.

    Raises:
        InputError: a value is infinite.
    """
    infinite = np.isinf(rows.values)
    if infinite.any():
        row, column = (int(i) for i in np.argwhere(infinite)[0])
        raise InputError(
            f"X: {rows.describe_cell(row, column)}: {rows.values[row, column]}, which is infinite; correct it, make it "
            f"NaN if it is missing, remove the row, or {describe_leaving_out(column, rows.shape, rows.names)}"
        )
    return rows


def check_complete(rows: Rows) -> Rows:
    """Return `rows`.

    Raises:
        InputError: a value is missing.
    """
    if np.isnan(rows.values).any():
        row, column = (int(i) for i in np.argwhere(np.isnan(rows.values))[0])
        raise InputError(
            f"X: {rows.describe_cell(row, column)}: NaN, which is a missing value, for which embed= has no input; fill "
            "it in, or remove the row"
        )
    return rows


def check_training_columns(rows: Rows) -> None:
    """Check that every column of training rows can be learned.

    Raises:
        InputError: a column has no values, or a category column has a level of its own for every row.
    """
    missing = np.isnan(rows.values).all(axis=0)
    if missing.any():
        number = int(missing.argmax())
        column = describe_column(number, rows.shape, rows.names)
        advice = describe_leaving_out(number, rows.shape, rows.names)
        raise InputError(f"X: {column}: all values are missing; {advice}")
    for number, levels in rows.levels.items():
        if len(levels) > 2 and len(levels) == len(rows.values):
            column = describe_column(number, rows.shape, rows.names)
            raise InputError(
                f"X: {column}: has another text in every row ({len(levels)}), such as an identifier; "
                f"{describe_leaving_out(number, rows.shape, rows.names)}"
            )


def check_magnitude(rows: Rows) -> None:
    """Check that training values are not too large. Larger values can be scored, as very anomalous ones.

    Raises:
        InputError: a value exceeds `MAX_TRAINING_VALUE`.
    """
    too_large = np.abs(rows.values) > MAX_TRAINING_VALUE
    if too_large.any():
        row, column = (int(i) for i in np.argwhere(too_large)[0])
        value = rows.values[row, column]
        raise InputError(
            f"X: {rows.describe_cell(row, column)}: {value:.3g} is too large to fit (over {MAX_TRAINING_VALUE:g}); "
            f"remove the row, rescale the column, or {describe_leaving_out(column, rows.shape, rows.names)}"
        )


def check_columns(new: Columns, fitted: Columns, estimator: str = "EnergyDetector") -> None:
    """Check that the columns are those of the fit: their number and, if both have names, names and order.

    Args:
        new: the columns of new rows.
        fitted: the columns of the fit.
        estimator: name of the estimator, for messages.

    Raises:
        InputError: the columns differ; the message names the first difference.
    """
    if new.names is not None and fitted.names is not None and new.names != fitted.names:
        raise InputError(f"X: {_describe_difference(new.names, fitted.names)}")
    if new.shape != fitted.shape:
        if len(new.shape) == 1 and len(fitted.shape) == 1:
            raise InputError(
                f"X has {new.shape[0]} features, but {estimator} is expecting {fitted.shape[0]} features as input"
            )
        raise InputError(
            f"X: rows of shape {new.shape}, but the detector was fitted on rows of shape {fitted.shape}"
        )


def warn_about_names(new: Columns, fitted: Columns, estimator: str = "EnergyDetector") -> None:
    """Warn if only the new rows, or only those of the fit, have column names. The text is scikit-learn's."""
    if (new.names is None) == (fitted.names is None):
        return
    if new.names is None:
        message = f"X does not have valid feature names, but {estimator} was fitted with feature names"
    else:
        message = f"X has feature names, but {estimator} was fitted without feature names"
    warn(message, UserWarning)


def _describe_difference(names: Sequence[str], fitted: Sequence[str]) -> str:
    missing = [name for name in fitted if name not in set(names)]
    unknown = [name for name in names if name not in set(fitted)]
    if missing:
        similar = get_close_matches(missing[0], unknown, n=1)
        hint = f" (is it {similar[0]!r}?)" if similar else ""
        counts = f"in total {len(missing)} missing, {len(unknown)} unknown"
        return f"column {missing[0]!r} of the fit is missing{hint}; {counts}"
    if unknown:
        return (
            f"column {unknown[0]!r} was not in the training data ({len(unknown)} unknown); leave it out with "
            f"{leave_out(unknown[0])}"
        )
    position = next(i for i, (a, b) in enumerate(zip(names, fitted, strict=True)) if a != b)
    return (
        f"the columns of the fit are in another order: column {position} is {names[position]!r} where the fit had "
        f"{fitted[position]!r}; select them as X[list(detector.feature_names_in_)]"
    )
