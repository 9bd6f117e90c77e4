"""Find the columns that explain the flagged rows of a table."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ebmood.detector.energy.feature_contributions import LEVELS, feature_contributions
from ebmood.detector.energy.reservoir import Reservoir
from ebmood.detector.energy.score_model import VIEWS_BY_NAME
from ebmood.detector.estimator import EnergyDetector
from ebmood.detector.preparation import Preparation
from ebmood.detector.raw.batch_notes import EXPLAINED_SCORES, BatchNotes
from ebmood.detector.score_batch import ScoreBatch

Floats = NDArray[np.float64]

LEAST_ROWS = 4
"""Flagged rows that are explained at least, however many columns they have."""


class Explainer:
    """Explain flagged rows by their columns.

    Args:
        estimator: the fitted detector.
        preparation: how columns become its features.
    """

    def __init__(self, estimator: EnergyDetector, preparation: Preparation):
        self._estimator = estimator
        self._columns = list(preparation.names)
        features = [len(column.features) for column in preparation.columns]
        self._starts = np.cumsum([0, *features[:-1]])  # the first feature of each column
        self._sample = Reservoir(np.empty((0, sum(features))), 0)
        self._rng = np.random.default_rng(0)
        self._limit = EXPLAINED_SCORES // (len(LEVELS) * sum(features))
        if self._limit < LEAST_ROWS:
            # Hundreds of features of a network mean nothing on their own, and a row takes seconds.
            are_features = any(VIEWS_BY_NAME[name].for_features for name in estimator.model_.views)
            self._limit = 0 if are_features else LEAST_ROWS

    def reasons(self, rows: Floats, flags: NDArray[np.bool_], count: int) -> Sequence[tuple[str, ...]]:
        """Return for each flagged row the columns that explain it best, the best one first.

        Args:
            rows: `(N, D)` encoded rows.
            flags: `(N,)`.
            count: largest number of columns for a row. Columns that do not raise its score are left out.
        """
        reasons: list[tuple[str, ...]] = [()] * len(rows)
        flagged = np.flatnonzero(flags)
        if len(flagged):
            gains = self._gains(rows[flagged])
            for row, row_gains in zip(flagged.tolist(), gains, strict=True):
                best = np.argsort(-row_gains, kind="stable")[:count]
                reasons[row] = tuple(self._columns[k] for k in best if row_gains[k] > 0)
        return reasons

    def collect(self, rows: Floats, batch: ScoreBatch) -> None:
        """Add the flagged rows of a batch to a random sample of all flagged rows."""
        self._sample = self._sample.add(rows[batch.flags], self._limit, self._rng)

    def explain(self, notes: BatchNotes) -> None:
        """Add to the notes which columns explain the flagged rows of the sample."""
        rows = self._sample.rows
        if len(rows):
            estimator = self._estimator
            offsets = estimator.calibration_.offsets(len(rows), estimator.segments_of(rows), estimator.alpha)
            shortfall = offsets - estimator.scorer_.score_rows(rows)
            notes.add_explanations(self._columns, self._gains(rows), shortfall)

    def _gains(self, rows: Floats) -> Floats:
        """Return by how much a usual value of each column raises the score: `(N, D)` to `(N, K)`."""
        replacements = self._estimator.replacements_
        assert replacements is not None  # a table has numbers
        by_feature = feature_contributions(self._estimator.scorer_.score_rows, rows, replacements)
        return np.maximum.reduceat(by_feature, self._starts, axis=1)
