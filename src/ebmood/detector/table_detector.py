"""A detector of tables in files: a preparation and an `EnergyDetector`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pydantic import ValidationError

from ebmood.core.errors import EbmoodError, InputError
from ebmood.detector.error_context import name_source
from ebmood.detector.estimator import EnergyDetector
from ebmood.detector.io.cell_values import read_categories
from ebmood.detector.io.column_names import format_option, match_columns
from ebmood.detector.io.rows import MAX_TRAINING_VALUE
from ebmood.detector.io.table_stream import Chunk, TableStream
from ebmood.detector.parameters import check_alpha_and_device
from ebmood.detector.persistence.load import load
from ebmood.detector.preparation import Preparation, RawColumns, concatenate_columns
from ebmood.detector.progress_callback import ProgressCallback, ignore_progress
from ebmood.detector.score_batch import ScoreBatch

NOTE = "preparation"
"""Key of the preparation in the notes of a saved detector."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TableDetector:
    """A detector of tables.

    Attributes:
        estimator: fitted on prepared rows.
        preparation: None if the estimator was fitted in Python on columns without names.
        table_rows: number of rows of the training table; None if the estimator was fitted in Python.
    """

    estimator: EnergyDetector
    preparation: Preparation | None
    table_rows: int | None = None

    @classmethod
    def fit(
        cls,
        estimator: EnergyDetector,
        table: TableStream,
        label_column: str | None = None,
        drop: Sequence[str] = (),
        categories: Sequence[str] = (),
        progress: ProgressCallback = ignore_progress,
    ) -> Self:
        """Read a table, prepare it, and fit an estimator on it.

        Args:
            estimator: not yet fitted. If it is supervised, it learns `label_column`.
            table: rows that are assumed to be in-distribution.
            label_column: the classes of the rows. It is not a feature.
            drop: columns to leave out, by name or by a pattern such as `id_*`.
            categories: columns of categories, by name or pattern. All others hold numbers.
            progress: called with the progress of reading and fitting.

        Raises:
            EbmoodError: the table or an option cannot be used; see `TableStream` and `Preparation`.
        """
        check_alpha_and_device(estimator.alpha, estimator.device)
        preparation, label = _assign_roles(table, estimator.supervised, label_column, drop, categories)
        raw, classes = _read_training_table(table, preparation, label, progress)
        rows = len(raw[preparation.columns[0]])
        progress("fitting", None)
        with name_source(table.source):
            estimator.fit(
                pyarrow.table({name: pyarrow.array(cells) for name, cells in raw.items()}),
                None if label is None else np.array(classes),
            )
        return cls(estimator, preparation, rows)

    def save(self, folder: Path) -> None:
        """Write estimator and preparation to a folder, as `EnergyDetector.save` does.

        Raises:
            EbmoodError: the folder cannot be written.
        """
        note = None if self.preparation is None else self.preparation.model_dump(mode="json")
        self.estimator.save(folder, {NOTE: note, "rows": self.table_rows})

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        """Load a detector that `save` or `EnergyDetector.save` wrote.

        Raises:
            EbmoodError: there is no detector, it was changed, or it was not fitted on a table.
        """
        return cls.from_estimator(folder, load(folder, device=device))

    @classmethod
    def from_estimator(cls, folder: Path, estimator: EnergyDetector) -> Self:
        """Return the detector for an estimator that was loaded from `folder`.

        Raises:
            EbmoodError: it was not fitted on a table.
        """
        shape = estimator.shape_in_
        if len(shape or ()) != 1:
            raise EbmoodError(f"{folder}: fitted on inputs of shape {shape}, not on a table")
        names = tuple(estimator.feature_names_in_) if hasattr(estimator, "feature_names_in_") else None
        rows = estimator.notes_.get("rows")
        categories = tuple(estimator.column_labels()[column] for column in estimator.levels_)
        preparation = read_preparation(folder, estimator.notes_, names, categories)
        return cls(estimator, preparation, rows if isinstance(rows, int) else None)

    def score(
        self,
        table: TableStream,
        keep: Sequence[str] = (),
        drop: Sequence[str] = (),
        progress: ProgressCallback = ignore_progress,
    ) -> Iterator[ScoreBatch]:
        """Score a table chunk by chunk, in bounded memory.

        Args:
            table: with the columns of the fit, in any order.
            keep: columns to return with the scores, by name or pattern. They need not be features.
            drop: further columns that were not in the training data.
            progress: called with the progress of scoring.

        Raises:
            EbmoodError: the table cannot be used; see `TableStream` and `Preparation`. Earlier chunks may already have
                been scored.
        """
        kept_columns = match_columns(keep, table.names, table.source, "--keep")
        preparation = self.check_table(table, drop, kept_columns)
        columns = list(dict.fromkeys([*preparation.columns, *kept_columns]))
        for chunk in table.chunks(columns):
            # Prepared rows are valid and in the order of the fit, so the scorer gets them without a further check.
            rows = preparation.encode(preparation.read(chunk), self.estimator.levels_)
            scores = self.estimator.scorer_.score_rows(rows)
            yield self.estimator.decide(scores, chunk.rows.select(kept_columns))
            progress("scoring", table.fraction)

    def encoded_rows(
        self, table: TableStream, keep: Sequence[str] = (), drop: Sequence[str] = ()
    ) -> Iterator[tuple[Chunk, Floats]]:
        """Read a table chunk by chunk as rows that `estimator.scorer_` accepts.

        Args:
            table: with the columns of the fit, in any order.
            keep: columns that each chunk also holds, by name. They need not be features.
            drop: further columns that were not in the training data.

        Yields:
            A chunk with all columns that were read, and its encoded rows `(N, D)`.

        Raises:
            EbmoodError: the table cannot be used; see `TableStream` and `Preparation`.
        """
        preparation = self.check_table(table, drop, keep)
        for chunk in table.chunks(list(dict.fromkeys([*preparation.columns, *keep]))):
            yield chunk, preparation.encode(preparation.read(chunk), self.estimator.levels_)

    def check_table(
        self, table: TableStream, drop: Sequence[str], kept_columns: Sequence[str] = ()
    ) -> Preparation:
        """Return the preparation for a table after a check of its columns.

        Args:
            table: the table.
            drop: names or patterns of columns that are left out.
            kept_columns: names of columns that are copied.

        Raises:
            InputError: a column is missing or unknown.
        """
        dropped = match_columns(drop, table.names, table.source, "--drop")
        preparation = self.preparation or self._preparation_without_names(table, {*kept_columns, *dropped})
        preparation.check_columns(table.source, table.names, [*kept_columns, *dropped])
        return preparation

    def _preparation_without_names(self, table: TableStream, others: set[str]) -> Preparation:
        columns = tuple(name for name in table.names if name not in others)
        if len(columns) != self.estimator.n_features_in_:
            raise InputError(
                f"{table.source}: {len(columns)} columns, but the detector was fitted on "
                f"{self.estimator.n_features_in_} columns without names; leave out the others with --drop or --keep"
            )
        return Preparation(columns=columns)


def read_preparation(
    folder: Path, notes: dict, names: tuple[str, ...] | None, categories: tuple[str, ...]
) -> Preparation | None:
    """Return the preparation in the notes of a saved detector. Without one, the columns are used unchanged.

    Args:
        folder: the folder of the detector, for messages.
        notes: the notes of the detector.
        names: names of its features, or None.
        categories: names of the features that are categories.

    Returns:
        None if there is neither a preparation nor names.

    Raises:
        EbmoodError: the preparation is malformed, or gives other features than those of the detector.
    """
    note = notes.get(NOTE)
    if note is None:
        return None if names is None else Preparation(columns=names, categories=categories)
    try:
        preparation = Preparation.model_validate(note)
    except ValidationError as error:
        raise EbmoodError(
            f"{folder}: the preparation is malformed ({error.errors()[0]['msg']}); fit the detector again"
        ) from error
    if preparation.columns != names or set(preparation.categories) != set(categories):
        raise EbmoodError(
            f"{folder}: the preparation gives other features than those of the detector; fit the detector again"
        )
    return preparation


def _assign_roles(
    table: TableStream,
    supervised: bool,
    label_column: str | None,
    drop: Sequence[str],
    categories: Sequence[str],
) -> tuple[Preparation, str | None]:
    """Return what each column is used for, and the column of classes for a supervised fit."""
    source, names = table.source, table.names
    labels = [] if label_column is None else match_columns([label_column], names, source, "--label-column")
    if len(labels) > 1 or (supervised and not labels):
        raise InputError(f"{source}: name one column of classes with --label-column")
    excluded = {*match_columns(drop, names, source, "--drop"), *labels}
    features = tuple(name for name in names if name not in excluded)
    if not features:
        raise InputError(f"{source}: no column is left to learn from; leave out fewer columns")
    preparation = Preparation(
        columns=features,
        categories=tuple(match_columns(categories, features, source, "--category")),
        ignored=tuple(name for name in names if name in excluded),
    )
    return preparation, labels[0] if supervised else None


def _read_training_table(
    table: TableStream, preparation: Preparation, label: str | None, progress: ProgressCallback
) -> tuple[RawColumns, list[str]]:
    """Return all columns by name, and the classes of a supervised fit."""
    chunks: list[RawColumns] = []
    classes: list[str] = []
    for chunk in table.chunks(list(preparation.columns) + ([] if label is None else [label])):
        chunks.append(preparation.read(chunk))
        _check_magnitude(chunk, chunks[-1])
        if label is not None:
            classes += _read_classes(chunk, label)
        progress("reading", table.fraction)
    return concatenate_columns(chunks), classes


def _read_classes(chunk: Chunk, column: str) -> list[str]:
    names = read_categories(chunk, column).to_pylist()
    if None in names:
        raise InputError(
            f"{chunk.describe_cell(names.index(None), column)}: the class is missing; remove the row"
        )
    return names


def _check_magnitude(chunk: Chunk, raw: RawColumns) -> None:
    """Check that training values are not too large. Larger values can be scored, as very anomalous ones."""
    for column, values in raw.items():
        if isinstance(values, np.ndarray) and (np.abs(values) > MAX_TRAINING_VALUE).any():
            row = int((np.abs(values) > MAX_TRAINING_VALUE).argmax())
            raise InputError(
                f"{chunk.describe_cell(row, column)}: {values[row]:.3g} is too large to fit (over "
                f"{MAX_TRAINING_VALUE:g}); remove the row, or the column with {format_option('--drop', column)}"
            )
