"""What a table's columns go through before the detector sees them: chosen, filled in, encoded. Kept with the model."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, model_validator

from ebmood.core.errors import InputError
from ebmood.core.settings import Settings
from ebmood.detector.io.cell_values import categories, numbers, option
from ebmood.detector.io.table_stream import Piece

MOST_CATEGORIES = 1000
"""In one column; more are names or identifiers, and would make a row wider than any network learns."""

Floats = NDArray[np.float64]
Raw = Mapping[str, Floats | pyarrow.StringArray]
"""Columns as read: numbers with NaN where one is missing and may be, or names of categories."""


class Preparation(Settings):
    """From a table with these columns to rows of numbers.

    Attributes:
        columns: that are read, in the order of the fitted table.
        categories: of each column that is one-hot encoded, ascending. A category that is not among them becomes
            zeros throughout, which no fitted row is; a missing one is the category with the empty name.
        fills: of each column where a number may be missing, what takes its place.
        ignored: columns of the fitted table that are left out, and may be there or not from then on.
    """

    columns: tuple[str, ...] = Field(min_length=1)
    categories: dict[str, tuple[str, ...]] = {}
    fills: dict[str, FiniteFloat] = {}
    ignored: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _holds_together(self) -> "Preparation":
        odd = (self.categories.keys() | self.fills.keys()) - set(self.columns)
        if odd or self.categories.keys() & self.fills.keys():
            raise ValueError("categories and fills must be of different columns that are read")
        if any(len(set(names)) != len(names) for names in (self.columns, *self.categories.values())):
            raise ValueError("columns and categories must differ")
        return self

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the numbers in a prepared row: a column's own, or `column=category`."""
        names = []
        for column in self.columns:
            own = self.categories.get(column)
            names += [column] if own is None else [f"{column}={category or 'missing'}" for category in own]
        return tuple(names)

    def check_columns(self, where: str, names: Sequence[str], others: Iterable[str] = ()) -> None:
        """A table has the columns that are read, in any order, and else only ignored ones and `others`.

        Raises:
            InputError: a column is missing, or there is one that nobody knows.
        """
        missing = [name for name in self.columns if name not in set(names)]
        known = {*self.columns, *self.ignored, *others}
        unknown = [name for name in names if name not in known]
        if missing:
            close = get_close_matches(missing[0], unknown, n=1)
            hint = f"is it {close[0]!r}?" if close else "give a table with all columns of the fit"
            raise InputError(
                f"{where}: no column {missing[0]!r}, which the model was fitted on ({len(missing)} missing, "
                f"{len(unknown)} unknown in all); {hint}"
            )
        if unknown:
            raise InputError(
                f"{where}: column {unknown[0]!r} was not there at the fit ({len(unknown)} such in all); leave it "
                f"out with {option('--drop', unknown[0])}"
            )

    def read(self, piece: Piece) -> Raw:
        """The columns of a piece, checked.

        Raises:
            InputError: a cell is no number where one should be, or missing where none may be.
        """
        return read_columns(piece, self.columns, self.categories.keys(), self.fills.keys())

    def apply(self, raw: Raw) -> Floats:
        """Rows for the detector: `(N, len(features))`, finite."""
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
    piece: Piece, columns: Sequence[str], one_hot: Iterable[str], may_miss: Iterable[str]
) -> dict[str, Floats | pyarrow.StringArray]:
    """Some columns of a piece; see `Preparation.read`."""
    one_hot, may_miss = set(one_hot), set(may_miss)
    raw: dict[str, Floats | pyarrow.StringArray] = {}
    for column in columns:
        if column in one_hot:
            raw[column] = categories(piece, column)
            continue
        raw[column] = values = numbers(piece, column)
        missing = np.isnan(values)
        if column not in may_miss and missing.any():
            raise InputError(
                f"{piece.place(int(missing.argmax()), column)}: no number there (empty or NaN); fit with "
                f"{option('--impute', column)} to fill in the column's median, or leave the row out, or the column "
                f"with {option('--drop', column)}"
            )
    return raw


def fit_preparation(
    raw: Raw, rows: NDArray[np.intp], impute: Iterable[str], ignored: Iterable[str]
) -> Preparation:
    """Medians and categories of a table.

    Args:
        raw: all columns that are read, `(N,)` each.
        rows: which of the N rows to take them from: not those held out for calibration.
        impute: columns where a number may be missing.
        ignored: columns that are left out.

    Raises:
        InputError: a column to fill in has no numbers, one to encode has too many categories, or two features come to
            one name.
    """
    impute = set(impute)
    known: dict[str, tuple[str, ...]] = {}
    fills: dict[str, float] = {}
    for column, cells in raw.items():
        if isinstance(cells, pyarrow.StringArray):
            known[column] = tuple(sorted(cells.take(pyarrow.array(rows)).unique().to_pylist()))
            if len(known[column]) > MOST_CATEGORIES:
                raise InputError(
                    f"column {column!r} has {len(known[column])} categories, over {MOST_CATEGORIES}; leave it out "
                    f"with {option('--drop', column)}"
                )
        elif column in impute:
            present = cells[rows][~np.isnan(cells[rows])]
            if not len(present):
                raise InputError(
                    f"column {column!r} has no number to take a median of; leave it out with "
                    f"{option('--drop', column)}"
                )
            fills[column] = float(np.median(present))
    preparation = Preparation(columns=tuple(raw), categories=known, fills=fills, ignored=tuple(ignored))
    twice = [name for name, count in Counter(preparation.features).items() if count > 1]
    if twice:
        raise InputError(f"two features are called {twice[0]!r} after one-hot encoding; rename a column")
    return preparation


def named(patterns: Iterable[str], names: Sequence[str], where: str, flag: str) -> list[str]:
    """The columns that an option names, each by its name or by a pattern such as `id_*`; in the table's order.

    Raises:
        InputError: a pattern fits no column.
    """
    chosen: set[str] = set()
    for pattern in patterns:
        fitting = [name for name in names if name == pattern] or [n for n in names if fnmatchcase(n, pattern)]
        if not fitting:
            near = get_close_matches(pattern, names, n=3)
            listed = ", ".join(map(repr, near or names[:8]))
            raise InputError(
                f"{where}: {flag} {pattern}: no such column; {'the nearest are' if near else 'there are'} {listed}"
            )
        chosen.update(fitting)
    return [name for name in names if name in chosen]


def _one_hot(cells: pyarrow.StringArray, known: Sequence[str]) -> Floats:
    coded = cells.dictionary_encode()
    place = {category: i for i, category in enumerate(known)}
    codes = np.array([place.get(name, -1) for name in coded.dictionary.to_pylist()], dtype=np.intp)
    codes = codes[coded.indices.to_numpy(zero_copy_only=False)]
    encoded = np.zeros((len(cells), len(known)))
    seen = np.flatnonzero(codes >= 0)
    encoded[seen, codes[seen]] = 1.0
    return encoded
