"""The data classes: all rows of a source, an out-of-distribution set, and the split of a data set."""

import hashlib
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ebmood.core.errors import EbmoodError, InputError
from ebmood.data.rows import check_finite, column_name, rows_of

Kind = Literal["natural", "non-natural", "low-level"]
"""Kind of out-of-distribution rows: real data, noise and constants, or low-level content of ID images."""


@dataclass(frozen=True)
class Dataset:
    """All rows of a source, before any split or scaling.

    Attributes:
        name: name in tables and records.
        x: in-distribution rows `(N, *shape)`. Tables are float64, finite, in their original units; images are uint8
            `(N, C, H, W)` and may be memory-mapped.
        y: classes `0 .. K-1` of the rows of `x`, `(N,)`, int64; None without labels.
        classes: the K class names, in the order of the numbers in `y`.
        natural: natural out-of-distribution rows by set name, each `(M, *shape)`.
        features: names of the columns; empty for images.
        source: origin of the rows, for records and messages.
        notes: remarks for readers of the results, such as a constant column.
        test_x: official test rows, if the data set has them; `x` is then its training part.
        test_y: classes of `test_x`, or None.
        absent: requested natural sets that are not available, with the reason.
        stand_ins: natural sets that replace those of the paper.
        small: whether the rows are a reduced version of a data set of the paper.
        content: digest of everything that the rows depend on, or None. It saves reading all rows for `digest`.
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
        """Return sixteen hexadecimal digits that depend on the content of all arrays."""
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
        name: name of the set, such as `sky` or `uniform`.
        kind: `natural` (real data of another class or source), `non-natural` (noise, constants), or `low-level`
            (ID images without their meaning).
        x: rows `(M, *shape)`, float32, or uint8 like the images.
    """

    name: str
    kind: Kind
    x: np.ndarray


@dataclass(frozen=True)
class Scaling:
    """The map of a table's rows to the units of a split: `(x - low) / span`, column by column.

    Attributes:
        low: smallest value of each column in the training rows, `shape`.
        span: range of each column in the training rows, `shape`; 1 for constant columns.
        features: names of the columns, for messages; empty without names.
        source: origin of the rows, for messages.
    """

    low: np.ndarray
    span: np.ndarray
    features: tuple[str, ...]
    source: str

    def __call__(self, x: np.ndarray, name: str) -> np.ndarray:
        """Return scaled rows `(N, *shape)`, float32.

        Args:
            x: rows `(N, *shape)` in their original units.
            name: name of the rows in messages.

        Raises:
            EbmoodError: a value does not fit float32 after scaling.
        """
        with np.errstate(over="ignore"):
            scaled = ((x - self.low) / self.span).astype(np.float32)
        invalid = np.argwhere(~np.isfinite(scaled))
        if len(invalid):
            column = column_name(self.features, tuple(invalid[0][1:].tolist()))
            raise EbmoodError(
                f"{self.source}: column {column}, {name} rows: {x[tuple(invalid[0])]:g} does not fit float32 "
                "after scaling by the training rows; remove such rows, or drop the column"
            )
        return scaled


@dataclass(frozen=True)
class Split:
    """The parts of a `Dataset` for one seed, and its out-of-distribution sets.

    Rows of tables are scaled by the minimum and the range of the training rows. Validation, test and OOD rows may lie
    outside [0, 1]. Images remain bytes; models see them through `model_units`.

    Attributes:
        dataset: name of the data set.
        train_x, validation_x, test_x: in-distribution rows `(N, *shape)`, float32, or uint8 images `(N, C, H, W)`.
        train_y, validation_y, test_y: classes of these rows, int64, or None.
        classes: number of classes K; 0 without labels.
        validation_ood: out-of-distribution sets that only studies with `selection: paper` read.
        test_ood: out-of-distribution sets for the results, disjoint from `validation_ood`.
        duplicates: number of in-distribution rows that equal an earlier row.
        crossing: number of validation and test rows that equal a training row.
        notes: remarks for readers of the results.
        scaling: how rows of a table were scaled; None for images and for features of images.
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
    scaling: Scaling | None = None

    def scale(self, rows: np.ndarray) -> np.ndarray:
        """Return new rows in the units of this split, as `score_samples` of a trained model takes them.

        Args:
            rows: rows `(N, *shape)` in the units of `Dataset.x`, with the same columns. Images are bytes.

        Returns:
            Rows `(N, *shape)`, float32; images as they are.

        Raises:
            InputError: the rows have another shape or a value that is not a finite number, or the rows of the split are
                features of images.
            EbmoodError: a value does not fit float32 after scaling.
        """
        rows = rows_of(rows, self.train_x.shape[1:], "rows")
        if self.scaling is None:
            if self.train_x.dtype == np.uint8:
                return rows
            raise InputError(
                f"{self.dataset}: the split has no scaling; only splits of tables scale new rows"
            )
        check_finite(rows, "rows", self.scaling.features)
        return self.scaling(rows, "new")
