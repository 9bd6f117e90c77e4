"""Read the columns of a table as the features of a detector.

The preparation is saved with the detector. The levels of categories belong to the estimator.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import NoReturn, Self

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ebmood.core.errors import InputError
from ebmood.core.settings import Settings
from ebmood.detector.cells.categories import Levels, encode
from ebmood.detector.io.column_names import format_option
from ebmood.detector.io.table_stream import Chunk
from ebmood.detector.preparation.columns import (
    CategoryColumn,
    Column,
    DateColumn,
    Features,
    LeftOut,
    NumberColumn,
    Reading,
)

Floats = NDArray[np.float64]


class Preparation(Settings):
    """How the columns of a table become the features of a detector.

    Attributes:
        columns: columns that are read, in the order of the training table.
        left_out: columns of the training table that are not read. New tables may have them or not.
        missing: further words for missing values, in lower case.
    """

    columns: tuple[Column, ...] = Field(min_length=1)
    left_out: tuple[LeftOut, ...] = ()
    missing: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check_names(self) -> "Preparation":
        if len(set(self.names)) != len(self.names) or len(set(self.features)) != len(self.features):
            raise ValueError("columns must have different names")
        return self

    @classmethod
    def without_decisions(cls, names: Iterable[str], categories: Collection[str] = ()) -> Self:
        """Return the preparation for a detector that was fitted in Python: each column is a number or a category.

        Args:
            names: names of the columns.
            categories: those that are categories.
        """
        columns = (
            CategoryColumn(name=name) if name in categories else NumberColumn(name=name, yes_no=True)
            for name in names
        )
        return cls(columns=tuple(columns))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that are read."""
        return tuple(column.name for column in self.columns)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        return tuple(feature for column in self.columns for feature in column.features)

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the features that are categories."""
        return tuple(column.name for column in self.columns if isinstance(column, CategoryColumn))

    @property
    def date_features(self) -> tuple[str, ...]:
        """Names of the features that are cycles of dates."""
        dates = [column for column in self.columns if isinstance(column, DateColumn)]
        return tuple(feature for column in dates for feature in column.features)

    @property
    def constants(self) -> tuple[LeftOut, ...]:
        """The columns that are not read, but had one value, or none, in the training table."""
        return tuple(column for column in self.left_out if column.constant is not None)

    def check_columns(self, source: str, names: Sequence[str], others: Iterable[str] = ()) -> None:
        """Check that a table has all columns that are read, in any order, and no unknown ones.

        Args:
            source: name of the table, for messages.
            names: columns of the table.
            others: columns that are allowed in addition.

        Raises:
            InputError: a column is missing or unknown.
        """
        present = set(names)
        missing = [name for name in self.names if name not in present]
        left_out = [column.name for column in self.left_out]
        known = {*self.names, *left_out, *others}
        # Up to version 0.8.1, a column of structs was left out as a whole. A missing object in JSON is a column `s`.
        inside = tuple(f"{name}." for name in left_out)
        outside = {before for name in known for before in _prefixes(name)}
        unknown = [
            name
            for name in names
            if name not in known and name not in outside and not name.startswith(inside)
        ]
        if missing:
            by_letters = {name.strip().lower(): name for name in unknown}
            same = by_letters.get(missing[0].strip().lower())
            similar = [same] if same else get_close_matches(missing[0], unknown, n=1)
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

    def read(self, chunk: Chunk) -> Reading:
        """Read the features of a chunk. The result names bad rows, those with an odd cell among them."""
        features: Features = {}
        errors = dict(chunk.errors)
        for column in self.columns:
            reading = column.read(chunk.rows.column(column.name), self.missing)
            features |= reading.features
            for row, problem in reading.errors.items():
                errors.setdefault(row, f"column {column.name!r}: {problem}")
        return Reading(features, errors)

    def read_strictly(self, chunk: Chunk) -> Features:
        """Return the features of a chunk.

        Raises:
            InputError: a row is bad; the message names its first odd cell.
        """
        reading = self.read(chunk)
        if reading.errors:
            self.refuse(chunk, reading.errors)
        return reading.features

    def refuse(self, chunk: Chunk, errors: Mapping[int, str]) -> NoReturn:
        """Raise an error about the first bad row of a chunk."""
        row = min(errors)
        raise InputError(f"{chunk.describe_row(row)}, {errors[row]}; correct it, or remove the row")

    def encode(self, features: Features, levels: Mapping[int, Levels]) -> Floats:
        """Return rows of numbers `(N, D)`: numbers, numbers of levels, and NaN for missing values.

        Args:
            features: the features.
            levels: the levels of the category columns by position.
        """
        columns = [
            encode(cells, levels[number]) if isinstance(cells, pyarrow.StringArray) else cells
            for number, cells in enumerate(features.values())
        ]
        return np.column_stack(columns)


def _prefixes(name: str) -> list[str]:
    """Return the names of the columns that a column such as `plant.sensor.flow` may be inside."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def concatenate_features(chunks: Sequence[Features]) -> Features:
    """Return the features of consecutive chunks, of which there is at least one, as one."""
    return {
        name: pyarrow.concat_arrays([chunk[name] for chunk in chunks])
        if isinstance(cells, pyarrow.StringArray)
        else np.concatenate([chunk[name] for chunk in chunks])
        for name, cells in chunks[0].items()
    }
