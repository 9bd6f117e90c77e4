"""From scores to decisions with the scores of calibration rows: what all calibrated detectors have in common."""

import hashlib
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ebmood.core import calibration as conformal
from ebmood.detector.calibration_scores import LARGER_ALPHA, CalibrationScores, warn_if_no_row_is_flagged
from ebmood.detector.score_batch import ScoreBatch

if TYPE_CHECKING:
    import pyarrow

Floats = NDArray[np.float64]


class Calibrated:
    """The methods of a detector that compares the scores of new rows with those of calibration rows.

    Attributes:
        alpha: level of `predict`.
        calibration_: scores of the calibration rows.
        offset_: rows with a lower score are flagged, if there are neither segments nor weights.
    """

    alpha: float
    calibration_: CalibrationScores
    offset_: float

    @abstractmethod
    def score_batch(self, X: Any, alpha: float | None = None) -> ScoreBatch:
        """Return scores, p-values and flags of rows, computed in one pass.

        Args:
            X: the rows.
            alpha: level of the flags; None for the `alpha` of the detector.
        """

    @abstractmethod
    def digest(self) -> str:
        """Return the SHA-256 of what scores and p-values depend on. It recognises a fitted detector."""

    def predict(self, X: Any, alpha: float | None = None) -> NDArray[np.int64]:
        """Return -1 for rows that are flagged as out-of-distribution at level `alpha`, and else 1: `(N,)`.

        Args:
            X: the rows.
            alpha: the level; None for the `alpha` of the detector.
        """
        return self.score_batch(X, alpha).labels

    def p_values(self, X: Any) -> Floats:
        """Return split-conformal p-values: `(N, ...)` to `(N,)`, in (0, 1].

        For new rows like those of the fit, `P(p <= alpha) <= alpha` for every alpha, on average over fits.
        """
        return self.score_batch(X).p_values

    def select(self, X: Any, fdr: float = 0.05) -> NDArray[np.bool_]:
        """Return which rows are out-of-distribution, with an expected fraction of at most `fdr` wrong ones among them.

        This is the procedure of Benjamini and Hochberg on the p-values of all rows: `(N, ...)` to `(N,)` booleans.

        Raises:
            InputError: `fdr` is not between 0 and 1.
        """
        return conformal.benjamini_hochberg(self.p_values(X), fdr)

    def set_alpha(self, alpha: float) -> Self:
        """Set the level of the flags of a fitted detector, without a new fit.

        P-values stay as they are, so segments or classes are pooled as in the fit.

        Raises:
            InputError: `alpha` is not between 0 and 1.

        Warns:
            CalibrationWarning: there are too few calibration rows, in total or of a segment or class, to flag any at
                this level.
        """
        self.check_fitted()
        self.offset_ = self.calibration_.offset(alpha)
        self.alpha = alpha
        warn_if_no_row_is_flagged(self.calibration_, alpha, LARGER_ALPHA)
        return self

    @property
    def calibration_scores_(self) -> Floats:
        """`(n,)` scores of the calibration rows, ascending."""
        return self.calibration_.scores

    @property
    def false_alarm_rate_(self) -> float:
        """The fraction of rows like those of the fit that is flagged, on average over fits; at most `alpha`."""
        return self.calibration_.false_alarm_rate(self.alpha)

    def _batch(
        self,
        scores: Floats,
        alpha: float | None = None,
        kept_columns: "pyarrow.RecordBatch | None" = None,
        segments: Floats | None = None,
        weights: Any = None,
    ) -> ScoreBatch:
        """Return scores `(N,)` with their p-values, and flags at a level; None for the `alpha` of the detector."""
        level = self.alpha if alpha is None else alpha
        offsets = self.calibration_.offsets(len(scores), segments, level, weights)
        p_values = self.calibration_.p_values(scores, segments, weights)
        return ScoreBatch(scores, p_values, scores < offsets, kept_columns, segments=segments)

    def _digest(self, settings: object, *states: Mapping[str, Tensor]) -> str:
        """Return the SHA-256 of calibration scores, of the representation of settings, and of tensors by name."""
        hasher = hashlib.sha256(self.calibration_scores_.tobytes())
        hasher.update(repr(settings).encode())
        for state in states:
            for name, tensor in sorted(state.items()):
                hasher.update(name.encode())
                hasher.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return hasher.hexdigest()

    def check_fitted(self) -> None:
        """Raise an error if the detector is not fitted."""
        check_is_fitted(self)
