"""Which rows of a labelled table are outliers, from the values of its column of labels."""

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
import pyarrow
from numpy.typing import NDArray

from ebmood.core.errors import InputError
from ebmood.core.interface import for_interface
from ebmood.detector.cells.categories import category_name
from ebmood.detector.score_batch import ScoreBatch

OUTLIER_WORDS = frozenset(
    {"outlier", "outliers", "anomaly", "anomalous", "abnormal", "ood", "yes", "true", "1"}
)
"""Values of outliers, in lower case."""

NORMAL_WORDS = frozenset({"inlier", "inliers", "normal", "nominal", "regular", "no", "false", "0"})
"""Values of normal rows, in lower case."""

LISTED = 8
"""Values that a message lists at most."""


def read_labels(batches: Sequence[ScoreBatch], source: str) -> list[str]:
    """Return the label of every row.

    Args:
        batches: consecutive rows of a table, whose only kept column holds the labels.
        source: name of the table, for messages.

    Raises:
        InputError: a label is missing.
    """
    labels: list[str] = []
    for batch in batches:
        assert batch.kept_columns is not None
        for value in batch.kept_columns.column(0).to_pylist():
            name = category_name(value)
            if name is None:
                column = batch.kept_columns.schema.names[0]
                raise InputError(
                    f"{source}: row {len(labels) + 1}, column {column!r}: the label is missing; remove the row"
                )
            labels.append(name)
    return labels


def find_outliers(
    labels: Sequence[str], source: str, column: str, outliers: Sequence[str] = ()
) -> NDArray[np.bool_]:
    """Return which rows are outliers, `(N,)`.

    >>> find_outliers(["normal", "Anomaly"], "pumps.csv", "state").tolist()
    [False, True]
    >>> find_outliers(["1", "-1"], "pumps.csv", "y").tolist()  # as scikit-learn's detectors predict
    [False, True]

    Args:
        labels: the label of every row.
        source: name of the table, for messages.
        column: name of the column, for messages.
        outliers: the labels of outliers. If there are none, the usual words are known: 1 and 0, true and false, yes and
            no, -1 and 1, and words such as outlier, anomaly, normal and inlier.

    Raises:
        InputError: a label is unknown, one of `outliers` does not occur, or all rows are of one kind.
    """
    values = sorted(set(labels))
    place = f"{source}: column {column!r} holds {_list(values)}"
    option = for_interface("--outlier", "outliers=")
    wanted = {category_name(value) for value in outliers}
    unknown = [value for value in outliers if category_name(value) not in values]
    if unknown:
        raise InputError(f"{place}, but not {unknown[0]!r}; give one of these values with {option}")
    if not outliers:
        lower = {value.lower() for value in values}
        if lower <= {"-1", "1"} and "-1" in lower:
            wanted = {"-1"}
        elif lower <= OUTLIER_WORDS | NORMAL_WORDS:
            wanted = {value for value in values if value.lower() in OUTLIER_WORDS}
        else:
            raise InputError(f"{place}; name the values of outliers with {option}, all others are normal")
    is_outlier = np.array([label in wanted for label in labels])
    if is_outlier.all() or not is_outlier.any():
        kind = "outliers" if is_outlier.all() else "normal rows"
        raise InputError(f"{place}, so all rows are {kind}; give a table with normal rows and outliers")
    return is_outlier


def split_batches(
    batches: Sequence[ScoreBatch], chosen: NDArray[np.bool_]
) -> tuple[list[ScoreBatch], list[ScoreBatch]]:
    """Return the rows that are not chosen, and those that are."""
    starts = np.cumsum([len(batch.scores) for batch in batches])[:-1]
    masks = np.split(chosen, starts)
    return (
        [_filter(batch, ~mask) for batch, mask in zip(batches, masks, strict=True)],
        [_filter(batch, mask) for batch, mask in zip(batches, masks, strict=True)],
    )


def _filter(batch: ScoreBatch, mask: NDArray[np.bool_]) -> ScoreBatch:
    """Return some rows of a batch: of every field that has one value for each row."""
    changes = {}
    for field in fields(batch):
        values = getattr(batch, field.name)
        if isinstance(values, np.ndarray):
            changes[field.name] = values[mask]
        elif isinstance(values, pyarrow.RecordBatch):
            changes[field.name] = values.filter(pyarrow.array(mask))
    return replace(batch, **changes)


def _list(values: Sequence[str]) -> str:
    shown = ", ".join(repr(value[:40]) for value in values[:LISTED])
    return shown + (f" and {len(values) - LISTED} more values" if len(values) > LISTED else "")
