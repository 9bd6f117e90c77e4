"""How one column of a raw table is read: as a number, numbers, a category, a date, a text, or not at all."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pydantic import Field

from ebmood.core.settings import Settings
from ebmood.detector.cells.arrow import compute
from ebmood.detector.cells.categories import ALIASES, category_name
from ebmood.detector.cells.cell_values import read_categories, read_numbers, read_seconds, read_times
from ebmood.detector.cells.dates import DateFormat
from ebmood.detector.cells.number_format import PLAIN, NumberFormat
from ebmood.detector.cells.time_offsets import NONE, convert, foreign_offsets, time_offsets
from ebmood.detector.cells.vectors import read_vectors
from ebmood.detector.preparation.cycles import Cycle
from ebmood.embedders import Embedder, EmbedderIdentity, TextEmbedder, reopen_embedder

Values = NDArray[np.float64] | pyarrow.StringArray
"""A feature: numbers with NaN for missing ones, or names of categories with null for missing ones."""

Features = dict[str, Values]
"""Features by name."""


@dataclass(frozen=True)
class Reading:
    """The features of some rows.

    Attributes:
        features: the features. Odd cells are missing values.
        errors: what is wrong with odd cells, by row.
    """

    features: Features
    errors: dict[int, str]


class NumberColumn(Settings):
    """A column of numbers, which is one feature.

    Attributes:
        name: name of the column.
        format: how numbers are written in text.
        yes_no: whether the column holds yes and no, so that words for them are the numbers 1 and 0.
        is_duration: whether the column holds durations, which are read in seconds.
        grew_to: the last value of a column that never decreases in the training table; None for other columns.
    """

    kind: Literal["number"] = "number"
    name: str
    format: NumberFormat = PLAIN
    yes_no: bool = False
    is_duration: bool = False
    grew_to: float | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        return (self.name,)

    def read(self, cells: pyarrow.Array, missing: Collection[str]) -> Reading:
        """Return the features of cells; see `ebmood.detector.cells.cell_values.read_numbers` and `read_seconds`."""
        if self.is_duration:
            seconds = read_seconds(cells, missing)
            return Reading({self.name: seconds.values}, seconds.errors)
        numbers = read_numbers(cells, self.format, missing, self.yes_no)
        return Reading({self.name: numbers.values}, numbers.errors)


class VectorColumn(Settings):
    """A column of lists of numbers of one length, such as embeddings. Each position is one feature.

    Attributes:
        name: name of the column.
        length: numbers of each list.
        empty: positions without values in the training table, which are not read.
    """

    kind: Literal["list"] = "list"
    name: str
    length: int = Field(ge=1)
    empty: tuple[int, ...] = ()

    @property
    def positions(self) -> tuple[int, ...]:
        """The positions that are read."""
        empty = set(self.empty)
        return tuple(k for k in range(self.length) if k not in empty)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, such as `embedding[17]`."""
        return tuple(f"{self.name}[{k}]" for k in self.positions)

    def read(self, cells: pyarrow.Array, missing: Collection[str]) -> Reading:
        """Return the features of cells; see `ebmood.detector.cells.vectors.read_vectors`."""
        vectors = read_vectors(cells, self.length, missing)
        values = np.ascontiguousarray(vectors.values.T[list(self.positions)])
        return Reading(dict(zip(self.features, values, strict=True)), vectors.errors)


class CategoryColumn(Settings):
    """A column of categories, which is one feature.

    Attributes:
        name: name of the column.
    """

    kind: Literal["category"] = "category"
    name: str

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        return (self.name,)

    def read(self, cells: pyarrow.Array, missing: Collection[str]) -> Reading:
        """Return the features of cells; see `ebmood.detector.cells.cell_values.read_categories`."""
        categories = read_categories(cells, missing)
        return Reading({self.name: categories.values}, categories.errors)


class DateColumn(Settings):
    """A column of dates or times, which is two features for each of its cycles.

    Attributes:
        name: name of the column.
        format: how dates are written in text and in numbers.
        cycles: the cycles that are read. They are those of the local clock.
        offsets: the offsets from UTC of the training times; empty in detectors of version 0.8.1 and earlier. See
            `ebmood.detector.cells.time_offsets`.
    """

    kind: Literal["date"] = "date"
    name: str
    format: DateFormat
    cycles: tuple[Cycle, ...] = Field(min_length=1)
    offsets: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, such as `time (sine of hour)`."""
        return tuple(
            f"{self.name} ({wave} of {cycle})" for cycle in self.cycles for wave in ("sine", "cosine")
        )

    def read(self, cells: pyarrow.Array, missing: Collection[str]) -> Reading:
        """Return the features of cells; see `ebmood.detector.cells.cell_values.read_times`."""
        times = read_times(cells, self.format, missing)
        values = times.values
        if len(self.offsets) == 1 and self.offsets != (NONE,):
            values = convert(values, time_offsets(cells, missing), self.offsets)
        waves = [wave for cycle in self.cycles for wave in cycle.features(values)]
        return Reading(dict(zip(self.features, waves, strict=True)), times.errors)

    def foreign_offsets(self, cells: pyarrow.Array, missing: Collection[str]) -> pyarrow.Array:
        """Return the offsets of times whose local clock is read although no training time has their offset."""
        if not self.offsets or self.format.is_number:
            return pyarrow.array([], pyarrow.string())
        offsets = time_offsets(cells, missing)
        return offsets.filter(pyarrow.array(foreign_offsets(offsets, self.offsets)))


class EmbeddedColumn(Settings):
    """A column of texts, whose features are those of an embedder.

    Attributes:
        name: name of the column.
        embedder: the embedder. It is compared with the installed one when it is opened.
    """

    kind: Literal["text"] = "text"
    name: str
    embedder: EmbedderIdentity

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, such as `review (feature 17)`."""
        return tuple(f"{self.name} (feature {k})" for k in range(self.embedder.dimension))

    def open(self) -> TextEmbedder:
        """Return the embedder.

        Raises:
            EbmoodError: its package is absent, or has changed.
        """
        embedder = _reopen(self.embedder.model_dump_json())
        assert isinstance(embedder, TextEmbedder)
        return embedder

    def read(self, cells: pyarrow.Array, missing: Collection[str]) -> Reading:
        """Return the features of cells. A missing cell is the empty text."""
        texts = read_categories(cells, missing)
        features = self.open().embed(texts.values.fill_null("").to_pylist()).astype(np.float64)
        return Reading(dict(zip(self.features, features.T, strict=True)), texts.errors)


@cache
def _reopen(identity: str) -> Embedder:
    """Open the embedder of an identity in JSON, once."""
    return reopen_embedder(EmbedderIdentity.model_validate_json(identity))


Column = Annotated[
    NumberColumn | VectorColumn | CategoryColumn | DateColumn | EmbeddedColumn, Field(discriminator="kind")
]
"""How a column is read."""


class LeftOut(Settings):
    """A column of the training table that is not read.

    Attributes:
        name: name of the column.
        reason: why it is left out.
        constant: the value of a column that has only one, or empty text for a column without values; None for other
            columns.
        spellings: other names under which the training rows have the constant, such as `3,50` for 3.5.
    """

    name: str
    reason: str
    constant: str | None = None
    spellings: tuple[str, ...] = ()

    def changed(self, cells: pyarrow.Array, missing: Collection[str]) -> pyarrow.StringArray:
        """Return the values that are not the constant, as `read_categories` names them."""
        categories = read_categories(cells, missing).values.drop_null()
        constant = category_name(self.constant)
        if constant is None:
            return categories
        equal = pyarrow.array([constant, ALIASES.get(constant, constant), *self.spellings])
        return categories.filter(compute.invert(compute.is_in(categories, equal)))
