"""The split of a table for one seed, and its scaling, as in the paper.

In-distribution rows: 80 % training, 10 % validation, 10 % test. Natural OOD rows: 20 % validation, 80 % test. Test sets
have at most 10,000 rows. All rows are scaled by the minimum and the range of the training rows. The probes are drawn in
scaled units.
"""

from typing import Literal

import numpy as np

from ebmood.core.errors import DataWarning, EbmoodError, warn
from ebmood.core.seeding import numpy_stream
from ebmood.data.dataset import Dataset, OODSet, Scaling, Split
from ebmood.data.probes import draw_probes
from ebmood.data.rows import check_finite, column_name, rows_of

SPLIT_VERSION = 1
"""Version of `split_dataset`. Increase it when the rows of its parts or their scaling change.

The cell key of a study contains it, so that a study computes its records again.
"""

ID_FRACTIONS = (0.8, 0.1, 0.1)
"""Fractions of in-distribution rows for training, validation and test."""

OOD_FRACTIONS = (0.2, 0.8)
"""Fractions of natural OOD rows for validation and test."""

MAX_TEST_ROWS = 10_000
"""Largest number of rows in a test set."""


def split_dataset(
    dataset: Dataset, seed: int, duplicates: Literal["together", "across"] = "together"
) -> Split:
    """Return the split of a data set, with all rows scaled.

    The part of a row depends on the data, the seed and `duplicates` only.

    Args:
        dataset: all rows.
        seed: seed of the split and of the probes, which have different random streams.
        duplicates: `together` keeps equal rows in one part; `across` splits row by row, as in the paper.

    Raises:
        InputError: a value is not finite, or a natural set has other columns than the in-distribution rows.
        EbmoodError: a set has too few (different) rows, or a value does not fit float32 after scaling.

    Warns:
        DataWarning: a column is constant in the training rows. It is kept as `x - constant`.
    """
    _check(dataset)
    groups = _row_groups(dataset.x)
    description = f"{dataset.source}: in-distribution rows"
    train, validation, test = partition(
        groups, ID_FRACTIONS, duplicates, numpy_stream(seed, "split"), description
    )
    test = test[:MAX_TEST_ROWS]
    held_out = np.concatenate([validation, test])
    scale, notes = _fit_scaling(dataset, train)

    natural: list[tuple[OODSet, OODSet]] = []
    for name, x in dataset.natural.items():
        description = f"{dataset.source}: natural OOD set {name!r}"
        generator = numpy_stream(seed, f"split/{name}")
        parts = partition(_row_groups(x), OOD_FRACTIONS, duplicates, generator, description)
        validation_part, test_part = (OODSet(name, "natural", scale(x[part], name)) for part in parts)
        natural.append((validation_part, OODSet(name, "natural", test_part.x[:MAX_TEST_ROWS])))

    shape = dataset.x.shape[1:]
    y = dataset.y
    validation_probes = draw_probes(len(validation), shape, seed, "validation")
    return Split(
        dataset=dataset.name,
        train_x=scale(dataset.x[train], "training"),
        validation_x=scale(dataset.x[validation], "validation"),
        test_x=scale(dataset.x[test], "test"),
        train_y=None if y is None else y[train],
        validation_y=None if y is None else y[validation],
        test_y=None if y is None else y[test],
        classes=len(dataset.classes),
        validation_ood=(*(pair[0] for pair in natural), *validation_probes),
        test_ood=(*(pair[1] for pair in natural), *draw_probes(len(test), shape, seed, "test")),
        duplicates=len(groups) - int(groups.max(initial=-1)) - 1,
        crossing=int(np.isin(groups[held_out], groups[train]).sum()),
        notes=(*dataset.notes, *notes),
        scaling=scale,
    )


def _row_groups(x: np.ndarray) -> np.ndarray:
    """Return a number for each row, `(N,)`, that is the same for equal rows; see `group_numbers`."""
    if len(x) == 0:
        return np.zeros(0, dtype=np.int64)
    # Adding 0.0 replaces -0.0, which equals 0.0 but has other bytes.
    flat = np.ascontiguousarray(x.reshape(len(x), -1) + 0.0)
    return group_numbers(flat.view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1]))).ravel())


def group_numbers(keys: np.ndarray) -> np.ndarray:
    """Return a number for each key, the same for equal keys, counted from 0 by first appearance: `(N,) -> (N,)`.

    >>> group_numbers(np.array(["b", "a", "b", "c"]))
    array([0, 1, 0, 2])
    """
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[group.reshape(-1)]


def partition(
    groups: np.ndarray,
    fractions: tuple[float, ...],
    duplicates: str,
    generator: np.random.Generator,
    description: str,
) -> list[np.ndarray]:
    """Return the row indices of each part, in random order.

    Args:
        groups: `(N,)` numbers of rows, equal for equal rows; see `group_numbers`.
        fractions: fractions of the parts, with sum one. The first part takes the rounding error.
        duplicates: `together` assigns whole groups to parts, `across` single rows.
        generator: generator of the order.
        description: name of the rows in messages.

    Raises:
        EbmoodError: there are too few (different) rows.
    """
    rows = len(groups)
    needed = round(1 / min(fractions))
    if rows < needed:
        raise EbmoodError(
            f"{description}: {rows} are too few for a split {_percentages(fractions)}; at least {needed} are needed"
        )
    units = groups if duplicates == "together" else np.arange(rows)
    count = int(units.max()) + 1
    if count < len(fractions):
        raise EbmoodError(
            f"{description}: only {count} of {rows} are different, too few to keep equal rows in one part; "
            "set `duplicates: across`"
        )
    position = generator.permutation(count)[units]  # position of each row's unit in the shuffled order
    order = np.argsort(position, kind="stable")
    ends = np.cumsum(np.bincount(position, minlength=count))  # number of rows up to the end of each unit
    cuts, used = [], 0
    for part in range(1, len(fractions)):
        target = rows - sum(round(rows * fraction) for fraction in fractions[part:])
        remaining = len(fractions) - part  # number of later parts, each of which needs a unit
        unit = int(np.clip(np.argmin(np.abs(ends - target)), used, count - 1 - remaining))
        cuts.append(int(ends[unit]))
        used = unit + 1
    return np.split(order, cuts)


def _percentages(fractions: tuple[float, ...]) -> str:
    return "/".join(f"{100 * fraction:.0f}" for fraction in fractions)


def _fit_scaling(dataset: Dataset, train: np.ndarray) -> tuple[Scaling, list[str]]:
    """Return the scaling by the rows `train`, and notes on constant columns."""
    rows = dataset.x[train]
    low, high = rows.min(axis=0), rows.max(axis=0)
    constant = high == low
    with np.errstate(over="ignore"):
        span = np.where(constant, 1.0, high - low)
    if not np.isfinite(span).all():
        column = column_name(dataset.features, tuple(np.argwhere(~np.isfinite(span))[0].tolist()))
        raise EbmoodError(
            f"{dataset.source}: the range of column {column} exceeds the largest float; rescale or drop the column"
        )
    notes = [
        f"column {column_name(dataset.features, index)} is constant ({low[index]:g}) in the training rows; kept as "
        "x - constant"
        for index in map(tuple, np.argwhere(constant).tolist())
    ]
    for note in notes:
        warn(f"{dataset.source}: {note}", DataWarning)
    return Scaling(low, span, dataset.features, dataset.source), notes


def _check(dataset: Dataset) -> None:
    """Raise an `InputError` unless all rows of a table are finite numbers and have the same columns."""
    for name, rows in {"in-distribution rows": dataset.x, **dataset.natural}.items():
        where = f"{dataset.source}: {name}"
        check_finite(rows_of(rows, dataset.x.shape[1:], where), where, dataset.features)
