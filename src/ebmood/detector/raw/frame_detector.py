"""A detector of tables in files, applied to data frames in memory."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import narwhals.stable.v1 as nw
import numpy as np
import pyarrow
from numpy.typing import NDArray
from torch import nn

from ebmood.core.errors import InputError
from ebmood.detector.estimator import EnergyDetector
from ebmood.detector.io.column_names import are_array_columns, array_column_names
from ebmood.detector.io.frame_stream import FrameStream, column_names
from ebmood.detector.parameters import check_alpha_and_device
from ebmood.detector.patches import PatchDetector
from ebmood.detector.patches.patch_files import load_patch_detector
from ebmood.detector.persistence.detector_files import is_patch_detector
from ebmood.detector.persistence.load import load as load_estimator
from ebmood.detector.preparation import Preparation
from ebmood.detector.raw.saved_detector import read_all_rows
from ebmood.detector.raw.score_options import ScoreOptions
from ebmood.detector.raw.table_detector import PREPARATION_NOTE, TableDetector
from ebmood.detector.score_batch import ScoreBatch
from ebmood.detector.validation.arrays import is_array, read_rows
from ebmood.embedders import Embedder

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FrameDetector:
    """A detector that `ebmood fit` wrote, for raw data frames. `ebmood.load` returns it.

    `X` is a data frame of pandas, polars or pyarrow, a pyarrow record batch, or a list of mappings. It has the columns
    of the training table, in any order; columns that the training left out may be there or not. It is prepared as
    `ebmood score` prepares a file, so the scores are equal to the bit. In a list of mappings, a column that a row does
    not have is a missing value. If the training table was an array, `X` may also be an array `(N, D)`. Invalid input
    raises an `InputError` of one line, which counts rows from 0.

    Attributes:
        table_detector: the preparation and the estimator.
    """

    table_detector: TableDetector

    def __repr__(self) -> str:
        estimator = self.estimator
        return (
            f"<FrameDetector of {len(self.columns)} columns, fitted on {estimator.n_training_rows_} rows and "
            f"{len(estimator.calibration_scores_)} calibration rows, alpha={estimator.alpha:g}>"
        )

    @classmethod
    def of_named_columns(cls, detector: TableDetector) -> Self:
        """Return a detector of frames. If the estimator was fitted on an array, its columns are called x0, x1, ..."""
        if detector.preparation is None:
            preparation = Preparation.without_decisions(detector.estimator.column_labels())
            detector = replace(detector, preparation=preparation)
        return cls(detector)

    @property
    def estimator(self) -> EnergyDetector:
        """The estimator, which receives prepared rows: `estimator.decision_function(detector.prepare(X))`."""
        return self.table_detector.estimator

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that X must have."""
        preparation = self.table_detector.preparation
        return () if preparation is None else preparation.names

    @property
    def date_features(self) -> tuple[str, ...]:
        """The features that are cycles of dates."""
        preparation = self.table_detector.preparation
        return () if preparation is None else preparation.date_features

    def score_samples(self, X: Any) -> Floats:
        """Return the scores of rows: `(N,)`, finite. Higher is more in-distribution."""
        return self.score_batch(X).scores

    def score_batch(
        self, X: Any, alpha: float | None = None, reasons: int = 0, mark_bad_rows: bool = False
    ) -> ScoreBatch:
        """Return scores, p-values and flags of rows, computed in one pass.

        Args:
            X: the rows.
            alpha: level of the flags; None for the `alpha` of the detector.
            reasons: number of columns that are named for each row that is flagged at the `alpha` of the detector.
            mark_bad_rows: whether a row that cannot be read gets an entry in `errors` and no score. Else it is an
                error.
        """
        options = ScoreOptions(mark_bad_rows, max_bad=1.0, reasons=reasons)
        batches = list(self.table_detector.score(self._stream(X), options=options))
        p_values = np.concatenate([batch.p_values for batch in batches])
        flags = np.concatenate([batch.flags for batch in batches])
        segments: list[Any] = [batch.segments for batch in batches]  # all None, or all arrays
        starts = np.cumsum([0, *(len(batch.scores) for batch in batches)]).tolist()
        errors = {
            start + row: problem
            for start, batch in zip(starts, batches, strict=False)
            for row, problem in (batch.errors or {}).items()
        }
        return ScoreBatch(
            np.concatenate([batch.scores for batch in batches]),
            p_values,
            flags if alpha is None else flags_at(p_values, alpha),
            segments=None if segments[0] is None else np.concatenate(segments),
            errors=errors if mark_bad_rows else None,
            reasons=[row for batch in batches for row in batch.reasons or ()] if reasons else None,
        )

    def p_values(self, X: Any) -> Floats:
        """Return conformal p-values: `(N,)`, in (0, 1]."""
        return self.score_batch(X).p_values

    def predict(self, X: Any, alpha: float | None = None) -> NDArray[np.int64]:
        """Return -1 for rows that are flagged as out-of-distribution at level `alpha`, and else 1: `(N,)`."""
        return np.where(self.score_batch(X, alpha).flags, -1, 1)

    def select(self, X: Any, fdr: float = 0.05) -> NDArray[np.bool_]:
        """Return which rows to report at a false discovery rate: `(N,)`; see `EnergyDetector.select`."""
        return self.estimator.select(self.prepare(X), fdr)

    def recalibrate(self, X: Any, y: Any = None) -> Self:
        """Replace the calibration rows; see `EnergyDetector.recalibrate`. `y` holds the classes, if it has some."""
        self.estimator.recalibrate(self.prepare(X), y)
        return self

    def partial_fit(self, X: Any) -> Self:
        """Add rows to the training and calibration rows; see `EnergyDetector.partial_fit`.

        The decisions about columns stay those of the first training table.
        """
        self.estimator.partial_fit(self.prepare(X))
        return self

    def save(self, folder: Path | str) -> None:
        """Save the detector to a folder, from which `ebmood.load` and the command line read it."""
        self.table_detector.save(Path(folder))

    def feature_contributions(self, X: Any) -> Floats:
        """Return, for each feature, the largest rise of the score if only this feature changes: `(N, D)`.

        `estimator.column_labels()` has the names of the features.
        """
        return self.estimator.feature_contributions(self.prepare(X))

    def prepare(self, X: Any) -> pyarrow.Table | NDArray[np.float64]:
        """Return rows as the estimator expects them."""
        rows, _ = read_all_rows(self.table_detector, self._stream(X))
        return rows

    def set_alpha(self, alpha: float) -> Self:
        """Set the level of the flags, without a new fit.

        Raises:
            InputError: `alpha` is not between 0 and 1.
        """
        self.estimator.set_alpha(alpha)
        return self

    def check_columns(self, X: Any) -> None:
        """Check that X has the columns of the training table.

        Raises:
            InputError: a column is missing or unknown.
        """
        self.table_detector.check_table(self._stream(X), ())

    def _stream(self, X: Any) -> FrameStream:
        """Return rows as a table. The columns of an array are called x0, x1, ..., as in `ArrayStream`."""
        if are_array_columns(self.columns) and nw.dependencies.is_into_dataframe(X):
            other = next((name for name in column_names(X) if not isinstance(name, str)), None)
            if other is not None:
                raise InputError(
                    f"X: a data frame with a column called {other!r}, but the detector was fitted on an array; give "
                    f"X.to_numpy(), or call the columns x0 to x{len(self.columns) - 1}"
                )
        if is_array(X) and are_array_columns(self.columns):
            values = read_rows(X).values
            X = pyarrow.table(dict(zip(array_column_names(values.shape[1]), values.T, strict=True)))
        return FrameStream(X, self.columns)


def flags_at(p_values: Floats, alpha: float) -> NDArray[np.bool_]:
    """Return the flags of rows at level `alpha`, `(N,)`.

    Raises:
        InputError: `alpha` is not between 0 and 1.
    """
    check_alpha_and_device(alpha, "cpu")
    return p_values <= alpha


def load(
    folder: Path | str, *, embed: nn.Module | Embedder | str | None = None, device: str = "cpu"
) -> EnergyDetector | FrameDetector | PatchDetector:
    """Load a detector that its method `save` or `ebmood fit` wrote. On the same machine its scores are equal.

    No file in the folder is executed: it holds JSON and safetensors.

    Args:
        folder: the folder of the saved detector.
        embed: a module constructed like the one of the fit: a copy of it receives the saved weights. An embedder of
            images or texts is found without it, unless its file has moved, or it is a module of an import path.
        device: the device on which to score.

    Returns:
        An `EnergyDetector`, whose notes of `save` are in `notes_`; or a `FrameDetector`, which prepares raw data
        frames, if `ebmood fit` learned it from a table; or a `PatchDetector`.

    Raises:
        EbmoodError: there is no detector, or it was changed, truncated, is malformed, or newer than this library; or
            `embed` is missing, not needed, or differs from the module of the fit.
    """
    if is_patch_detector(Path(folder)):
        if isinstance(embed, nn.Module):
            raise InputError(f"{folder}: fitted with an embedder, not with a module; leave embed= out")
        return load_patch_detector(Path(folder), embed=embed, device=device)
    estimator = load_estimator(folder, embed=embed, device=device)
    if estimator.notes_.get(PREPARATION_NOTE) is None:
        return estimator
    return FrameDetector(TableDetector.from_estimator(Path(folder), estimator))
