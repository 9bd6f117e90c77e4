"""One seed's split of a data set, and its scaling: the protocol of the paper's tables.

In-distribution rows: 80 % training, 10 % validation, 10 % test. Natural OOD rows: 20 % validation, 80 % test.
At most 10,000 test rows a set. All are scaled by the minimum and the range of the training rows, to which
alone the scaling is fitted; the probes are drawn in the scaled space.
"""

import warnings
from collections.abc import Callable
from typing import Literal

import numpy as np

from ebmood.core.errors import DataWarning, EbmoodError
from ebmood.core.seeding import numpy_stream
from ebmood.data.dataset import Dataset, OODSet, Split
from ebmood.data.probes import draw_probes

SPLIT_VERSION = 1
"""Increased whenever the same seed gives another split."""

ID_SHARES = (0.8, 0.1, 0.1)
OOD_SHARES = (0.2, 0.8)
MOST_TEST_ROWS = 10_000


def split_dataset(
    dataset: Dataset, seed: int, duplicates: Literal["together", "across"] = "together"
) -> Split:
    """Split and scale `dataset`.

    Which row goes where depends on the data, the seed and `duplicates` alone.

    Args:
        dataset: all rows.
        seed: draws the split and the probes, from streams of their own.
        duplicates: `together` keeps equal rows on one side; `across` splits row by row, as the paper did.

    Raises:
        EbmoodError: a set has too few (different) rows, or a value does not fit float32 after scaling.

    Warns:
        DataWarning: a column is constant over the training rows. It is kept, as `x - constant`.
    """
    same = _groups(dataset.x)
    train, validation, test = partition(
        same, ID_SHARES, duplicates, numpy_stream(seed, "split"), f"{dataset.source}: in-distribution rows"
    )
    test = test[:MOST_TEST_ROWS]
    seen = np.concatenate([validation, test])
    scale, notes = _fit_scale(dataset, train)

    ood: list[tuple[OODSet, OODSet]] = []
    for name, x in dataset.natural.items():
        where = f"{dataset.source}: natural OOD set {name!r}"
        parts = partition(_groups(x), OOD_SHARES, duplicates, numpy_stream(seed, f"split/{name}"), where)
        held_validation, held_test = (OODSet(name, "natural", scale(x[part], name)) for part in parts)
        ood.append((held_validation, OODSet(name, "natural", held_test.x[:MOST_TEST_ROWS])))

    shape = dataset.x.shape[1:]
    y = dataset.y
    return Split(
        dataset=dataset.name,
        train_x=scale(dataset.x[train], "training"),
        validation_x=scale(dataset.x[validation], "validation"),
        test_x=scale(dataset.x[test], "test"),
        train_y=None if y is None else y[train],
        validation_y=None if y is None else y[validation],
        test_y=None if y is None else y[test],
        classes=len(dataset.classes),
        validation_ood=(*(pair[0] for pair in ood), *draw_probes(len(validation), shape, seed, "validation")),
        test_ood=(*(pair[1] for pair in ood), *draw_probes(len(test), shape, seed, "test")),
        duplicates=len(same) - int(same.max(initial=-1)) - 1,
        crossing=int(np.isin(same[seen], same[train]).sum()),
        notes=(*dataset.notes, *notes),
    )


def _groups(x: np.ndarray) -> np.ndarray:
    """A number for every row, `(N,)`, equal for equal rows; they count up from 0 by first appearance."""
    if len(x) == 0:
        return np.zeros(0, dtype=np.int64)
    flat = np.ascontiguousarray(x.reshape(len(x), -1) + 0.0)  # + 0.0: -0.0 equals 0.0, but its bytes do not
    return numbered(flat.view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1]))).ravel())


def numbered(keys: np.ndarray) -> np.ndarray:
    """A number for every key, equal for equal keys; they count up from 0 by first appearance."""
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[group.reshape(-1)]


def partition(
    same: np.ndarray, shares: tuple[float, ...], duplicates: str, generator: np.random.Generator, where: str
) -> list[np.ndarray]:
    """Row numbers of each part, in random order. Whole groups of `same` go to one part if kept `together`.

    Args:
        same: a number for every row, equal for equal rows, counted up from 0 without gaps: see `numbered`.
        shares: of the parts, summing to one; the rounding is the first part's.
        duplicates: `together` or `across`.
        generator: draws the order.
        where: the rows, for messages.

    Raises:
        EbmoodError: there are too few (different) rows.
    """
    rows = len(same)
    needed = round(1 / min(shares))
    if rows < needed:
        raise EbmoodError(
            f"{where}: {rows} are too few to split {_percent(shares)}; at least {needed} are needed"
        )
    units = same if duplicates == "together" else np.arange(rows)
    count = int(units.max()) + 1
    if count < len(shares):
        raise EbmoodError(
            f"{where}: only {count} different among {rows}, too few to keep equal rows on one side; "
            "set `duplicates: across`"
        )
    place = generator.permutation(count)[units]  # each unit's place in the shuffled order
    order = np.argsort(place, kind="stable")
    ends = np.cumsum(np.bincount(place, minlength=count))  # rows up to and with each unit, in shuffled order
    cuts, used = [], 0
    for part in range(1, len(shares)):
        target = rows - sum(round(rows * share) for share in shares[part:])
        left = len(shares) - part  # parts still to come, each of which needs a unit
        unit = int(np.clip(np.argmin(np.abs(ends - target)), used, count - 1 - left))
        cuts.append(int(ends[unit]))
        used = unit + 1
    return np.split(order, cuts)


def _percent(shares: tuple[float, ...]) -> str:
    return "/".join(f"{100 * share:.0f}" for share in shares)


def _fit_scale(
    dataset: Dataset, train: np.ndarray
) -> tuple[Callable[[np.ndarray, str], np.ndarray], list[str]]:
    """The scaling fitted to the rows `train`, as a function of rows and their name, and the notes on it."""
    rows = dataset.x[train]
    low, high = rows.min(axis=0), rows.max(axis=0)
    constant = high == low
    with np.errstate(over="ignore"):
        span = np.where(constant, 1.0, high - low)
    if not np.isfinite(span).all():
        column = _column(dataset, np.argwhere(~np.isfinite(span))[0])
        raise EbmoodError(
            f"{dataset.source}: column {column} spans more than a float holds; rescale or drop it"
        )
    notes = [
        f"column {_column(dataset, index)} is constant ({low[tuple(index)]:g}) over the training rows; "
        "kept, as x - constant"
        for index in np.argwhere(constant)
    ]
    for note in notes:
        warnings.warn(f"{dataset.source}: {note}", DataWarning, stacklevel=3)

    def scale(x: np.ndarray, name: str) -> np.ndarray:
        with np.errstate(over="ignore"):
            scaled = ((x - low) / span).astype(np.float32)
        bad = np.argwhere(~np.isfinite(scaled))
        if len(bad):
            column = _column(dataset, bad[0][1:])
            raise EbmoodError(
                f"{dataset.source}: column {column}, {name} rows: {x[tuple(bad[0])]:g} does not fit float32 "
                "after scaling by the training rows; take such rows out, or drop the column"
            )
        return scaled

    return scale, notes


def _column(dataset: Dataset, index: np.ndarray) -> str:
    return repr(dataset.features[index[0]]) if dataset.features else str(tuple(index.tolist()))
