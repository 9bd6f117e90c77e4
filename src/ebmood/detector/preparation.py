"""Select the columns of a table, and read each as numbers or as categories.

The preparation is saved with the detector. The levels of categories belong to the estimator.
"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ebmood.core.errors import InputError
from ebmood.core.settings import Settings
from ebmood.detector.io.categories import Levels, level_numbers
from ebmood.detector.io.cell_values import read_categories, read_numbers
from ebmood.detector.io.column_names import format_option
from ebmood.detector.io.table_stream import Chunk

Floats = NDArray[np.float64]

RawColumns = dict[str, Floats | pyarrow.StringArray]
"""Columns of a table by name: numbers with NaN for missing ones, or names of categories with null for missing ones."""


class Preparation(Settings):
    """Read the columns of a table as the features of a detector.

    Attributes:
        columns: columns that are read, in the order of the training table. Each is one feature.
        categories: those of them that hold categories.
        ignored: columns of the training table that are not read. New tables may have them or not.
    """

    columns: tuple[str, ...] = Field(min_length=1)
    categories: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check_consistency(self) -> "Preparation":
        if set(self.categories) - set(self.columns):
            raise ValueError("categories must be among the columns that are read")
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("columns must have different names")
        return self

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

    def read(self, chunk: Chunk) -> RawColumns:
        """Read the columns of a chunk.

        Raises:
            InputError: a cell is not a number where one is needed.
        """
        return {
            column: read_categories(chunk, column)
            if column in self.categories
            else read_numbers(chunk, column)
            for column in self.columns
        }

    def encode(self, raw: RawColumns, levels: Mapping[int, Levels]) -> Floats:
        """Return rows of numbers `(N, D)`: numbers, numbers of levels, and NaN for missing values.

        Args:
            raw: the result of `read`.
            levels: the levels of the category columns by position.
        """
        columns = [
            _encode(cells, levels[number]) if isinstance(cells, pyarrow.StringArray) else cells
            for number, cells in enumerate(raw.values())
        ]
        return np.column_stack(columns)


def concatenate_columns(chunks: Sequence[RawColumns]) -> RawColumns:
    """Return the columns of consecutive chunks, of which there is at least one, as one."""
    return {
        name: pyarrow.concat_arrays([chunk[name] for chunk in chunks])
        if isinstance(cells, pyarrow.StringArray)
        else np.concatenate([chunk[name] for chunk in chunks])
        for name, cells in chunks[0].items()
    }


def _encode(names: pyarrow.StringArray, levels: Levels) -> Floats:
    encoded = names.dictionary_encode()
    numbers = level_numbers(levels)
    codes = np.array([numbers.get(name, len(levels)) for name in encoded.dictionary.to_pylist()], np.float64)
    indices = encoded.indices.fill_null(len(codes)).to_numpy(zero_copy_only=False)
    return np.append(codes, np.nan)[indices]
