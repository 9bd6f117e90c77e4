"""The nouns of the data: all rows of a source, and what one seed makes of them."""

import hashlib
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Kind = Literal["natural", "non-natural", "low-level"]
"""What out-of-distribution rows are: real data, noise and constants, or low-level content of ID images."""


@dataclass(frozen=True)
class Dataset:
    """All rows of a source, before any split or scaling.

    Attributes:
        name: what tables and records call it.
        x: in-distribution rows, shape `(N, *shape)`: of tables float64, finite, in the source's own units; of
            images uint8 `(N, C, H, W)`, maybe mapped from the disk.
        y: classes `0 .. K-1` of the rows of `x`, shape `(N,)`, int64; None where there are no labels.
        classes: the K class names, in the order of `y`'s numbers.
        natural: natural out-of-distribution rows by set name, each `(M, *shape)`.
        features: names of the columns (empty for images).
        source: where the rows came from, for the record.
        notes: what a reader of the results should know (a constant column, say).
        test_x, test_y: the official test part, where the set has one; `x` and `y` are then its training part.
        absent: natural sets that were asked for and are not there, with the reason.
        stand_ins: natural sets that stand in for the paper's.
        small: the rows are one of the paper's sets, cut.
        content: a digest of all that the rows depend on, where the source knows one; it saves reading them.
    """

    name: str
    x: np.ndarray
    y: np.ndarray | None
    classes: tuple[str, ...]
    natural: dict[str, np.ndarray]
    features: tuple[str, ...]
    source: str
    notes: tuple[str, ...] = ()
    test_x: np.ndarray | None = None
    test_y: np.ndarray | None = None
    absent: dict[str, str] = field(default_factory=dict)
    stand_ins: tuple[str, ...] = ()
    small: bool = False
    content: str | None = None

    def digest(self) -> str:
        """Sixteen hexadecimal digits over the content of every array: other data, another digest."""
        if self.content is not None:
            return self.content
        sha = hashlib.sha256()
        arrays = {"x": self.x, "y": self.y, "test_x": self.test_x, "test_y": self.test_y, **self.natural}
        for name, array in arrays.items():
            if array is None:
                continue
            sha.update(f"{name} {array.dtype.str} {array.shape}".encode())
            sha.update(np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()[:16]


@dataclass(frozen=True)
class OODSet:
    """Out-of-distribution rows, in the units of the in-distribution rows.

    Attributes:
        name: `sky`, `uniform`, ...
        kind: `natural` (real data of another class or source), `non-natural` (noise, constants), or
            `low-level` (what is left of ID images without their meaning).
        x: shape `(M, *shape)`, float32, or uint8 like the images.
    """

    name: str
    kind: Kind
    x: np.ndarray


@dataclass(frozen=True)
class Split:
    """What one seed makes of a `Dataset`: its parts, and the out-of-distribution sets.

    Rows of tables are scaled by the training rows' minimum and range, so out-of-distribution rows (and
    validation and test rows) may leave [0, 1]. Images stay bytes; `model_units` is what models see of them.

    Attributes:
        dataset: the data set's name.
        train_x, validation_x, test_x: in-distribution rows `(N, *shape)`, float32, or uint8 images
            `(N, C, H, W)`.
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
