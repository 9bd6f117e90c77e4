"""A detector of tables in files: a preparation and an `EnergyDetector`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pydantic import JsonValue, ValidationError

from ebmood.core.errors import EbmoodError, InputError, setting_problem
from ebmood.core.interface import for_interface
from ebmood.core.words import noun
from ebmood.detector.error_context import name_source
from ebmood.detector.estimator import EnergyDetector
from ebmood.detector.io.column_names import match_columns
from ebmood.detector.io.table_stream import Chunk, TableStream
from ebmood.detector.parameters import LAST, check_alpha_and_device
from ebmood.detector.persistence.load import load
from ebmood.detector.preparation import EmbeddedColumn, Preparation
from ebmood.detector.preparation.choices import AUTOMATIC, Choices
from ebmood.detector.preparation.training_table import read_profile
from ebmood.detector.progress_callback import ProgressCallback, ignore_progress
from ebmood.detector.raw.batch_notes import BatchNotes
from ebmood.detector.raw.explainer import Explainer
from ebmood.detector.raw.note_rows import count_rows, note_rows
from ebmood.detector.raw.row_order import OrderCheck, check_order
from ebmood.detector.raw.score_options import STRICT, ScoreOptions
from ebmood.detector.score_batch import ScoreBatch, mark_bad_rows

PREPARATION_NOTE = "preparation"
"""Key of the preparation in the notes of a saved detector."""


@dataclass(frozen=True)
class TableDetector:
    """A detector of tables.

    Attributes:
        estimator: fitted on prepared rows.
        preparation: None if the estimator was fitted in Python on columns without names.
        table_rows: number of rows of the training table, of which the fit may have used a random sample; None if the
            estimator was fitted in Python.
        order: whether the last training rows differ from the first ones; None for a loaded detector, with
            `calibration="last"`, and for few rows.
        doubts: guesses about columns of the training table, and suspicions, one line each; empty for a loaded detector.
    """

    estimator: EnergyDetector
    preparation: Preparation | None
    table_rows: int | None = None
    order: OrderCheck | None = None
    doubts: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls,
        estimator: EnergyDetector,
        table: TableStream,
        choices: Choices = AUTOMATIC,
        progress: ProgressCallback = ignore_progress,
    ) -> Self:
        """Read a table, decide what its columns hold, and fit an estimator on it.

        Of a table with very many rows, a random sample is used (`ebmood.detector.preparation.row_sample`). Row numbers
        in `strangest_rows_`, `left_out_rows_` and messages are those of the table.

        Args:
            estimator: not yet fitted. If it is supervised, it learns the label column. Its `segment` is a category.
            table: rows that are assumed to be in-distribution.
            choices: what the user sets about the columns.
            progress: called with the progress of reading and fitting.

        Raises:
            EbmoodError: the table or a choice cannot be used; see `TableStream` and `Profile`.
        """
        check_alpha_and_device(estimator.alpha, estimator.device)
        if estimator.supervised and choices.label_column is None:
            option = for_interface("--label-column", "label_column=")
            raise InputError(f"{table.source}: name one column of classes with {option}")
        if isinstance(estimator.segment, str):
            segment = match_columns([estimator.segment], table.names, table.source, "--segment")
            choices = replace(choices, categories=[*choices.categories, *segment])
        profile = read_profile(table, choices, progress)
        preparation = profile.preparation()
        classes = (
            profile.classes(choices.label_column) if estimator.supervised and choices.label_column else None
        )
        features = profile.features(preparation)
        profile.cells.clear()
        progress("fitting", None)
        with name_source(table.source):
            rows = pyarrow.table(features)
            estimator.fit(rows, classes)
        estimator.strangest_rows_ = tuple(
            (int(profile.row_numbers[row]), score) for row, score in estimator.strangest_rows_
        )
        estimator.left_out_rows_ = profile.row_numbers[estimator.left_out_rows_]
        progress("comparing the last rows with the first ones", None)
        order = None if estimator.calibration == LAST else check_order(rows, estimator.seed_)
        return cls(estimator, preparation, profile.rows, order, profile.doubts())

    def save(self, folder: Path) -> None:
        """Write estimator and preparation to a folder, as `EnergyDetector.save` does.

        Raises:
            EbmoodError: the folder cannot be written.
        """
        self.estimator.save(folder, self.notes())

    def notes(self) -> dict[str, JsonValue]:
        """Return the notes of the estimator that `save` stores, with the preparation among them."""
        # The preparation of an estimator without names has made-up ones, which the saved detector would not know.
        has_names = hasattr(self.estimator, "feature_names_in_")
        note = self.preparation.model_dump(mode="json") if self.preparation and has_names else None
        return getattr(self.estimator, "notes_", {}) | {PREPARATION_NOTE: note, "rows": self.table_rows}

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
        for column in () if preparation is None else preparation.columns:
            if isinstance(column, EmbeddedColumn):
                with name_source(str(folder)):
                    column.open()  # raises an error now if a package is absent or has changed
        return cls(estimator, preparation, rows if isinstance(rows, int) else None)

    def score(
        self,
        table: TableStream,
        keep: Sequence[str] = (),
        drop: Sequence[str] = (),
        progress: ProgressCallback = ignore_progress,
        options: ScoreOptions = STRICT,
        notes: BatchNotes | None = None,
    ) -> Iterator[ScoreBatch]:
        """Score a table chunk by chunk, in bounded memory.

        Args:
            table: with the columns of the fit, in any order.
            keep: columns to return with the scores, by name or pattern. They need not be features.
            drop: further columns that were not in the training data.
            progress: called with the progress of scoring.
            options: what to do with bad rows, and how many reasons to give.
            notes: receives what is unusual about the rows as a whole.

        Raises:
            EbmoodError: the table cannot be used; see `TableStream` and `Preparation`. Earlier chunks may already have
                been scored.
        """
        kept_columns = match_columns(keep, table.names, table.source, "--keep")
        preparation = self.check_table(table, drop, kept_columns)
        constants = [column.name for column in preparation.constants if column.name in table.names]
        names = [*preparation.names, *kept_columns, *constants]
        explainer = Explainer(self.estimator, preparation)
        counts = BatchNotes() if notes is None else notes
        held, equal = None if notes is None else self.estimator.held_rows(), 0
        for chunk in table.chunks(list(dict.fromkeys(names))):
            reading = preparation.read(chunk)
            if reading.errors and not options.mark_bad_rows:
                preparation.refuse(chunk, reading.errors)
            # Prepared rows are valid and in the order of the fit, so the scorer gets them without a further check.
            rows = preparation.encode(reading.features, self.estimator.levels_)
            scores = self.estimator.scorer_.score_rows(rows)
            segments = self.estimator.segments_of(rows)
            batch = self.estimator.decide(scores, chunk.rows.select(kept_columns), segments=segments)
            if options.mark_bad_rows:
                batch = mark_bad_rows(batch, reading.errors)
            if options.reasons:
                batch = replace(batch, reasons=explainer.reasons(rows, batch.flags, options.reasons))
            count_rows(counts, chunk, reading.errors)
            if notes is not None:
                note_rows(notes, preparation, self.estimator, reading, chunk, batch)
                equal += 0 if held is None else held.count(rows)
                explainer.collect(rows, batch)
            yield batch
            progress("scoring", table.fraction)
        counts.check_bad_rows(table.source, options.max_bad)
        if notes is not None:
            explainer.explain(notes)
            if held is not None and held.are_training_rows(equal, notes.rows):
                notes.training_rows = equal

    def encoded_rows(
        self, table: TableStream, keep: Sequence[str] = (), drop: Sequence[str] = ()
    ) -> Iterator[tuple[Chunk, NDArray[np.float64]]]:
        """Read a table chunk by chunk as rows that `estimator.scorer_` accepts.

        Args:
            table: with the columns of the fit, in any order.
            keep: columns that each chunk also holds, by name. They need not be features.
            drop: further columns that were not in the training data.

        Yields:
            A chunk with all columns that were read and with what is wrong with bad rows, and its encoded rows `(N, D)`,
            in which odd cells are missing values.

        Raises:
            EbmoodError: the table cannot be used; see `TableStream` and `Preparation`.
        """
        preparation = self.check_table(table, drop, keep)
        for chunk in table.chunks(list(dict.fromkeys([*preparation.names, *keep]))):
            reading = preparation.read(chunk)
            yield (
                replace(chunk, errors=reading.errors),
                preparation.encode(reading.features, self.estimator.levels_),
            )

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
        preparation = self.preparation or self._preparation_without_names(
            table, {*kept_columns, *dropped, *table.optional}
        )
        preparation.check_columns(table.source, table.names, [*kept_columns, *dropped, *table.optional])
        return preparation

    def _preparation_without_names(self, table: TableStream, others: set[str]) -> Preparation:
        names = [name for name in table.names if name not in others]
        if len(names) != self.estimator.n_features_in_:
            raise InputError(
                f"{table.source}: {len(names)} {noun(len(names), 'column')}, but the detector was fitted on "
                f"{self.estimator.n_features_in_} without names; leave out the others"
            )
        return Preparation.without_decisions(names)


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
    note = notes.get(PREPARATION_NOTE)
    if note is None:
        if names is None:
            return None
        return Preparation.without_decisions(names, categories)
    try:
        preparation = Preparation.model_validate(note)
    except ValidationError as error:
        raise EbmoodError(
            f"{folder}: the preparation is malformed ({setting_problem(error)}); fit the detector again"
        ) from error
    if preparation.features != names or set(preparation.categories) != set(categories):
        raise EbmoodError(
            f"{folder}: the preparation gives other features than those of the detector; fit the detector again"
        )
    return preparation
