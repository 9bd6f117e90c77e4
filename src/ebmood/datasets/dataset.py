"""The nouns of the data: what a source holds, and what one seed makes of it."""

import hashlib
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ebmood.settings import Settings

Kind = Literal["natural", "non-natural"]


@dataclass(frozen=True)
class Dataset:
    """All rows of a source, before any split or scaling.

    Attributes:
        name: what tables and records call it.
        x: in-distribution rows, shape `(N, *shape)`, float64, finite, in the source's own units.
        y: classes `0 .. K-1` of the rows of `x`, shape `(N,)`, int64; None where there are no labels.
        classes: the K class names, in the order of `y`'s numbers.
        natural: natural out-of-distribution rows by set name, each `(M, *shape)`.
        features: names of the columns (empty for images).
        source: where the rows came from, for the record.
        notes: what a reader of the results should know (a constant column, say).
    """

    name: str
    x: np.ndarray
    y: np.ndarray | None
    classes: tuple[str, ...]
    natural: dict[str, np.ndarray]
    features: tuple[str, ...]
    source: str
    notes: tuple[str, ...] = ()

    def digest(self) -> str:
        """Sixteen hexadecimal digits over the content of every array: other data, another digest."""
        sha = hashlib.sha256()
        arrays = {"x": self.x, **({} if self.y is None else {"y": self.y}), **self.natural}
        for name, array in arrays.items():
            sha.update(f"{name} {array.dtype.str} {array.shape}".encode())
            sha.update(np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()[:16]


@dataclass(frozen=True)
class OODSet:
    """Out-of-distribution rows, scaled like the in-distribution rows.

    Attributes:
        name: `sky`, `uniform`, ...
        kind: `natural` (real data of another class or source) or `non-natural` (noise, constants).
        x: shape `(M, *shape)`, float32.
    """

    name: str
    kind: Kind
    x: np.ndarray


@dataclass(frozen=True)
class Split:
    """What one seed makes of a `Dataset`: scaled float32 arrays, and the out-of-distribution sets.

    Rows are scaled by the training rows' minimum and range, so out-of-distribution rows (and validation and
    test rows) may leave [0, 1].

    Attributes:
        dataset: the data set's name.
        train_x, validation_x, test_x: in-distribution rows `(N, *shape)`, float32.
        train_y, validation_y, test_y: their classes, int64, or None.
        classes: number of classes K (0 without labels).
        validation_ood, test_ood: disjoint out-of-distribution sets. Only `selection: paper` reads the former.
        duplicates: how many in-distribution rows repeat an earlier one.
        crossing: how many validation and test rows also stand among the training rows.
        notes: what a reader of the results should know.
    """

    dataset: str
    train_x: np.ndarray
    validation_x: np.ndarray
    test_x: np.ndarray
    train_y: np.ndarray | None
    validation_y: np.ndarray | None
    test_y: np.ndarray | None
    classes: int
    validation_ood: tuple[OODSet, ...]
    test_ood: tuple[OODSet, ...]
    duplicates: int
    crossing: int
    notes: tuple[str, ...] = field(default=())


class Source(Settings):
    """Where a data set comes from, and how its rows may be split: the entry under `datasets` of a study file.

    Attributes:
        duplicates: `together` keeps equal rows on one side of the split; `across` splits row by row, as the
            paper did, so that test rows may also have been trained on.
    """

    duplicates: Literal["together", "across"] = "together"

    def load(self) -> Dataset:
        """Read all rows. Raises `EbmoodError` naming the file, column or class at fault."""
        raise NotImplementedError
