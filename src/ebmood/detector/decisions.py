"""Decisions of `EnergyDetector`, whose calibration may have segments, weights and classes."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ebmood.core import calibration as conformal
from ebmood.core.errors import InputError
from ebmood.detector.calibrated import Calibrated
from ebmood.detector.cells.categories import Levels
from ebmood.detector.labels import labelled_auroc
from ebmood.detector.model_inputs import ModelInputs
from ebmood.detector.parameters import Calibration
from ebmood.detector.row_scorer import RowScorer
from ebmood.detector.score_batch import ScoreBatch
from ebmood.detector.segments import SegmentSummary, summarise_segments

if TYPE_CHECKING:
    import pyarrow

Floats = NDArray[np.float64]


class Decisions(Calibrated):
    """The methods of `EnergyDetector` that score rows and decide about them."""

    calibration: Calibration
    supervised: bool
    levels_: dict[int, Levels]
    class_calibration_scores_: tuple[Floats, ...]
    leave_one_out_: bool
    segment_column_: int | None
    scorer_: RowScorer

    @abstractmethod
    def _read(self, X: Any) -> ModelInputs:
        """Return new rows as the input of the scorer."""

    def score_samples(self, X: Any) -> Floats:
        """Return the scores of rows: `(N, ...)` to `(N,)`, finite. Higher is more in-distribution.

        Scores do not depend on segments or weights.
        """
        inputs = self._read(X)
        return self.scorer_.scores(inputs.features, inputs.values)

    def score_batch(self, X: Any, alpha: float | None = None, weights: Any = None) -> ScoreBatch:
        """Return scores, p-values and flags of rows `(N, ...)`, computed in one pass.

        Args:
            X: the rows.
            alpha: level of the flags; None for the `alpha` of the detector.
            weights: `(N,)` weights of the rows, if `recalibrate` received weights.

        Raises:
            InputError: X cannot be used, or weights are missing or not needed.
        """
        scores, segments = self._scores_and_segments(X)
        return self.decide(scores, alpha=alpha, segments=segments, weights=weights)

    def decide(
        self,
        scores: Floats,
        kept_columns: "pyarrow.RecordBatch | None" = None,
        alpha: float | None = None,
        segments: Floats | None = None,
        weights: Any = None,
    ) -> ScoreBatch:
        """Return scores `(N,)` together with their p-values and flags.

        Args:
            scores: results of `score_samples`.
            kept_columns: N rows of other columns, to be returned with the results.
            alpha: level of the flags; None for the `alpha` of the detector.
            segments: results of `segments_of`, if the detector has segments.
            weights: `(N,)` weights of the rows, if `recalibrate` received weights.

        Raises:
            InputError: `alpha` is not between 0 and 1, or segments or weights are missing or not needed.
        """
        check_is_fitted(self)
        return self._batch(scores, alpha, kept_columns, segments, weights)

    def segments_of(self, rows: Floats) -> Floats | None:
        """Return the segments of rows of numbers, as `decide` expects them; None if the detector has no segments.

        Args:
            rows: `(N, D)` flat rows, in which a category is the number of its level.
        """
        return None if self.segment_column_ is None else rows[:, self.segment_column_]

    def decision_function(self, X: Any) -> Floats:
        """Return scores minus the threshold of each row: `(N, ...)` to `(N,)`, negative for flagged rows.

        Without segments this is `score_samples(X) - offset_`. With segments, each segment has its threshold.

        Raises:
            InputError: X cannot be used, or the calibration rows have weights.
        """
        scores, segments = self._scores_and_segments(X)
        if self.calibration_.weights is not None:
            raise InputError(
                "decision_function: the threshold of a row depends on its weight; call predict(X, weights=...)"
            )
        return scores - self.calibration_.offsets(len(scores), segments, self.alpha)

    def predict(self, X: Any, alpha: float | None = None, weights: Any = None) -> NDArray[np.int64]:
        """Return -1 for rows that are flagged as out-of-distribution at level `alpha`, and else 1: `(N,)`.

        Args:
            X: the rows.
            alpha: the level; None for the `alpha` of the detector.
            weights: `(N,)` weights of the rows, if `recalibrate` received weights.
        """
        return self.score_batch(X, alpha, weights).labels

    def p_values(self, X: Any, weights: Any = None) -> Floats:
        """Return split-conformal p-values: `(N, ...)` to `(N,)`, in (0, 1].

        For new rows like the training rows, `P(p <= alpha) <= alpha` for every alpha; with segments, within each
        segment. With leave-one-out calibration this is measured and not proved.

        Args:
            X: the rows.
            weights: `(N,)` weights of the rows, if `recalibrate` received weights.
        """
        return self.score_batch(X, weights=weights).p_values

    def class_p_values(self, X: Any) -> Floats:
        """Return the p-value of each row as a member of each class: `(N, ...)` to `(N, K)`, columns as in `classes_`.

        Each class has calibration rows of its own, so the guarantee of `p_values` holds for the rows of every class. A
        row whose largest p-value is small is unlike all classes.

        Raises:
            InputError: the detector was fitted without classes, or has leave-one-out calibration.
        """
        inputs = self._read(X)
        if not hasattr(self, "classes_"):
            raise InputError("class_p_values: fitted without classes; set supervised=True and give y to fit")
        self._refuse_leave_one_out("class_p_values")
        self._refuse_weights("class_p_values")
        scores = self.scorer_.class_scores(inputs.features, inputs.values)
        columns = [
            conformal.p_values(scores[:, k], calibration)
            for k, calibration in enumerate(self.class_calibration_scores_)
        ]
        return np.column_stack(columns)

    def select(self, X: Any, fdr: float = 0.05) -> NDArray[np.bool_]:
        """Return which rows are out-of-distribution, with an expected fraction of at most `fdr` wrong ones among them.

        This is the procedure of Benjamini and Hochberg on the p-values of all rows: `(N, ...)` to `(N,)` booleans.

        Raises:
            InputError: fdr is not between 0 and 1, or the calibration is leave-one-out or has weights, for which the
                procedure is not proved.
        """
        check_is_fitted(self)
        self._refuse_leave_one_out("select")
        self._refuse_weights("select")
        return super().select(X, fdr)

    def score(self, X: Any, y: Any = None) -> float:
        """Return the AUROC of the scores, which `cross_val_score` and `GridSearchCV` use by default.

        It is the probability that a normal row scores higher than an outlier, where ties count one half. `y` is not
        used by `fit`, so the training folds of a cross-validation contain the outliers, unless `cv` says otherwise.

        Args:
            X: `(N, ...)` rows.
            y: `(N,)` labels: 1 for normal rows and -1 for outliers, as `predict` returns them; or 0 for normal rows and
                another number for outliers.

        Raises:
            InputError: `y` is missing, holds other values or only one kind of rows, or the detector is supervised.
        """
        if self.supervised:
            raise InputError(
                "score: y holds classes with supervised=True, not outliers; use another scorer (scoring=)"
            )
        return labelled_auroc(self.score_samples(X), y)

    @property
    def segments_(self) -> tuple[SegmentSummary, ...]:
        """The calibration of every segment at level `alpha`: rows, threshold and false-alarm rate."""
        levels = None if self.segment_column_ is None else self.levels_.get(self.segment_column_)
        return summarise_segments(self.calibration_, self.alpha, levels)

    def _scores_and_segments(self, X: Any) -> tuple[Floats, Floats | None]:
        inputs = self._read(X)
        scores = self.scorer_.scores(inputs.features, inputs.values)
        return scores, None if inputs.values is None else self.segments_of(inputs.values)

    def _refuse_weights(self, method: str) -> None:
        if self.calibration_.weights is not None:
            raise InputError(
                f"{method}: is not proved with weights; call recalibrate(X) without weights first"
            )

    def _refuse_leave_one_out(self, method: str) -> None:
        if self.leave_one_out_:
            raise InputError(
                f"{method}: is not proved for leave-one-out calibration; fit with calibration=0.2, or call "
                "recalibrate(X) with new rows"
            )
