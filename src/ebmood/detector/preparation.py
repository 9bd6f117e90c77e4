"""Convert the columns of a table to rows of numbers: select them, fill in missing values, encode categories.

The fitted preparation is saved with the detector.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, model_validator

from ebmood.core.errors import InputError
from ebmood.core.settings import Settings
from ebmood.detector.io.cell_values import read_categories, read_numbers
from ebmood.detector.io.column_names import format_option
from ebmood.detector.io.table_stream import Chunk

MAX_CATEGORIES = 1000
"""Maximum number of categories in a column. More are usually names or identifiers, and make rows too wide to learn."""

Floats = NDArray[np.float64]

RawColumns = Mapping[str, Floats | pyarrow.StringArray]
"""Columns of a table by name: numbers with NaN for missing ones, or names of categories."""


class Preparation(Settings):
    """Convert a table with these columns to rows of numbers.

    Attributes:
        columns: columns that are read, in the order of the training table.
        categories: categories of each one-hot encoded column, ascending. The empty name stands for a missing category.
            A category that is not among them is encoded as zeros, which no training row has.
        fills: for each column in which numbers may be missing, the value that replaces them.
        ignored: columns of the training table that are not read. New tables may have them or not.
    """

    columns: tuple[str, ...] = Field(min_length=1)
    categories: dict[str, tuple[str, ...]] = {}
    fills: dict[str, FiniteFloat] = {}
    ignored: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check_consistency(self) -> "Preparation":
        unknown = (self.categories.keys() | self.fills.keys()) - set(self.columns)
        if unknown or self.categories.keys() & self.fills.keys():
            raise ValueError("categories and fills must belong to different columns that are read")
        if any(len(set(names)) != len(names) for names in (self.columns, *self.categories.values())):
            raise ValueError("columns and categories must have different names")
        return self

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the numbers in a prepared row: the name of the column, or `column=category`."""
        names = []
        for column in self.columns:
            categories = self.categories.get(column)
            names += (
                [column]
                if categories is None
                else [f"{column}={category or 'missing'}" for category in categories]
            )
        return tuple(names)

    def check_columns(self, source: str, names: Sequence[str], others: Iterable[str] = ()) -> None:
        """Check that a table has all columns that are read, in any order, and no unknown ones.

        Args:
            source: name of the table, for messages.
            names: columns of the table.
            others: columns that are allowed in addition.

        Raises:
            InputError: a column is missing or unknown.
        """
        missing = [name for name in self.columns if name not in set(names)]
        known = {*self.columns, *self.ignored, *others}
        unknown = [name for name in names if name not in known]
        if missing:
            similar = get_close_matches(missing[0], unknown, n=1)
            hint = f"is it {similar[0]!r}?" if similar else "give a table with all columns of the fit"
            raise InputError(
                f"{source}: no column {missing[0]!r}, which the detector was fitted on (in total {len(missing)} "
                f"missing, {len(unknown)} unknown); {hint}"
            )
        if unknown:
            raise InputError(
                f"{source}: column {unknown[0]!r} was not in the training data (in total {len(unknown)} unknown); "
                f"leave it out with {format_option('--drop', unknown[0])}"
            )

    def read(self, chunk: Chunk) -> Floats:
        """Return the prepared rows of a chunk: `(N, len(features))`, finite.

        Raises:
            InputError: a cell is not a number where one is needed, or is missing where no fill value is known.
        """
        return self.apply(read_columns(chunk, self.columns, self.categories.keys(), self.fills.keys()))

    def apply(self, raw: RawColumns) -> Floats:
        """Return prepared rows: `(N, len(features))`, finite."""
        parts = []
        for column in self.columns:
            cells = raw[column]
            if isinstance(cells, pyarrow.StringArray):
                parts.append(_one_hot(cells, self.categories[column]))
            else:
                filled = np.where(np.isnan(cells), self.fills.get(column, np.nan), cells)
                parts.append(filled[:, None])
        return np.ascontiguousarray(np.concatenate(parts, axis=1))


def read_columns(
    chunk: Chunk, columns: Sequence[str], one_hot: Iterable[str], impute: Iterable[str]
) -> dict[str, Floats | pyarrow.StringArray]:
    """Read columns of a chunk.

    Args:
        chunk: rows of a table.
        columns: the columns to read.
        one_hot: columns of categories.
        impute: columns in which numbers may be missing.

    Raises:
        InputError: a cell is not a number, or a number is missing in another column.
    """
    one_hot, impute = set(one_hot), set(impute)
    raw: dict[str, Floats | pyarrow.StringArray] = {}
    for column in columns:
        if column in one_hot:
            raw[column] = read_categories(chunk, column)
            continue
        raw[column] = values = read_numbers(chunk, column)
        missing = np.isnan(values)
        if column not in impute and missing.any():
            raise InputError(
                f"{chunk.describe_cell(int(missing.argmax()), column)}: the number is missing (empty or NaN); fit with "
                f"{format_option('--impute', column)} to fill in the median of the column, or remove the row, or the "
                f"column with {format_option('--drop', column)}"
            )
    return raw


def fit_preparation(
    raw: RawColumns, training: NDArray[np.intp], impute: Iterable[str], ignored: Iterable[str]
) -> Preparation:
    """Compute the medians and categories of a table.

    Args:
        raw: all columns that are read, `(N,)` each.
        training: indices of the rows to use: the training rows, without calibration rows.
        impute: columns in which numbers may be missing.
        ignored: columns that are not read.

    Raises:
        InputError: a column to fill in has no numbers, a column to encode has too many categories, or two features
            get the same name.
    """
    impute = set(impute)
    categories: dict[str, tuple[str, ...]] = {}
    fills: dict[str, float] = {}
    for column, cells in raw.items():
        if isinstance(cells, pyarrow.StringArray):
            categories[column] = _categories(column, cells.take(pyarrow.array(training)))
        elif column in impute:
            fills[column] = _median(column, cells[training])
    preparation = Preparation(columns=tuple(raw), categories=categories, fills=fills, ignored=tuple(ignored))
    repeated = [name for name, count in Counter(preparation.features).items() if count > 1]
    if repeated:
        raise InputError(f"two features are called {repeated[0]!r} after one-hot encoding; rename a column")
    return preparation


def _categories(column: str, cells: pyarrow.StringArray) -> tuple[str, ...]:
    categories = tuple(sorted(cells.unique().to_pylist()))
    if len(categories) > MAX_CATEGORIES:
        raise InputError(
            f"column {column!r} has {len(categories)} categories, over {MAX_CATEGORIES}; leave it out with "
            f"{format_option('--drop', column)}"
        )
    return categories


def _median(column: str, values: Floats) -> float:
    present = values[~np.isnan(values)]
    if not len(present):
        raise InputError(
            f"column {column!r} has no numbers, so it has no median; leave it out with "
            f"{format_option('--drop', column)}"
        )
    return float(np.median(present))


def _one_hot(cells: pyarrow.StringArray, categories: Sequence[str]) -> Floats:
    encoded = cells.dictionary_encode()
    position = {category: i for i, category in enumerate(categories)}
    codes = np.array([position.get(name, -1) for name in encoded.dictionary.to_pylist()], dtype=np.intp)
    codes = codes[encoded.indices.to_numpy(zero_copy_only=False)]
    matrix = np.zeros((len(cells), len(categories)))
    known = np.flatnonzero(codes >= 0)
    matrix[known, codes[known]] = 1.0
    return matrix
