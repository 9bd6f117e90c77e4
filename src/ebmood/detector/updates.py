"""Change a fitted detector without a new fit on all rows: new calibration rows, or more training rows."""

from abc import abstractmethod
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ebmood.core.calibration import rows_needed
from ebmood.core.errors import CalibrationWarning, InputError, warn
from ebmood.core.seeding import numpy_stream
from ebmood.core.threads import threads_for
from ebmood.core.words import noun
from ebmood.detector.calibration_scores import CalibrationScores, check_weights, warn_if_no_row_is_flagged
from ebmood.detector.cells.categories import Levels
from ebmood.detector.decisions import Decisions
from ebmood.detector.energy.contamination import Contamination
from ebmood.detector.energy.feature_contributions import replacement_values
from ebmood.detector.energy.fitting import EarlierRows, fit_score_model
from ebmood.detector.energy.reservoir import Reservoir
from ebmood.detector.energy.score_model import EnergySettings, ScoreModel
from ebmood.detector.energy.self_test import Probe, run_self_test
from ebmood.detector.energy.training_ranges import training_ranges
from ebmood.detector.held_rows import HeldRows, warn_of_training_rows
from ebmood.detector.history import Event
from ebmood.detector.labels import encode_known_labels
from ebmood.detector.parameters import (
    FIFTH,
    LEAVE_ONE_OUT,
    count_calibration_rows,
    resolve_calibration,
    split_within_segments,
)
from ebmood.detector.row_scorer import RowScorer
from ebmood.detector.validation.arrays import read_rows
from ebmood.detector.validation.rows import Columns, check_magnitude, warn_about_names
from ebmood.embedders import Embedder

HELD_CALIBRATION_ROWS = 2048
"""Calibration rows that a detector holds for `partial_fit`, at most."""

Floats = NDArray[np.float64]


class Updates(Decisions):
    """The methods of `EnergyDetector` that change a fitted detector."""

    contamination: Contamination
    embed: nn.Module | Embedder | str | None
    memory: Literal["rows", "prototypes"]
    segment: str | int | None
    calibration_rows_: Reservoir | None
    classes_: NDArray[Any]
    history_: tuple[Event, ...]
    model_: ScoreModel
    n_training_rows_: int
    probes_: tuple[Probe, ...]
    replacements_: Floats | None
    seed_: int
    settings_: EnergySettings
    shape_in_: tuple[int, ...] | None

    @abstractmethod
    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the detector."""

    @abstractmethod
    def _embedded(self, X: Any) -> Any:
        """Return the features of X, or X itself if there is no embedder."""

    @abstractmethod
    def _names(self) -> tuple[str, ...] | None:
        """Return the column names of the fit."""

    def recalibrate(self, X: Any, y: Any = None, *, weights: Any = None) -> Self:
        """Replace the calibration rows without a new fit: scores stay, thresholds and p-values change.

        The p-values then hold for rows like the new calibration rows. With leave-one-out calibration, they are
        guaranteed from then on.

        Args:
            X: `(N, ...)` rows, assumed to be in-distribution. They must not be training rows, whose scores are higher
                than those of other rows.
            y: `(N,)` classes of the rows, after a supervised fit; else ignored.
            weights: `(N,)` positive weights for a known covariate shift: the density of the rows that will be scored,
                divided by the density of these rows, times any constant. Each row that is scored then needs its
                weight, in the same unit. None for rows like those that will be scored.

        Raises:
            InputError: rows, classes or weights are invalid.

        Warns:
            CalibrationWarning: there are too few rows to flag anything at level alpha, or too few of a segment, or
                many of them equal training rows.
            SelfTestWarning: with the new threshold, more than 1 % of a kind of probes are rated in-distribution.
        """
        check_is_fitted(self)
        inputs = self._read(X)
        rows, values = len(inputs.features), inputs.values
        weights = None if weights is None else check_weights(weights, rows)
        self._warn_about_training_rows(inputs.features)
        if hasattr(self, "classes_"):
            codes = encode_known_labels(y, rows, self.classes_)
            by_class = self.scorer_.class_scores(inputs.features, values)
            lowest = self.scorer_.lowest_scores  # infinite for classes after leave-one-out calibration
            lowest[1:] = np.where(np.isinf(lowest[1:]), by_class.min(axis=0), lowest[1:])
            self.class_calibration_scores_ = tuple(
                np.sort(by_class[codes == k, k]) for k in range(len(self.classes_))
            )
        self.leave_one_out_ = False
        self._set_calibration(
            self.scorer_.scores(inputs.features, values),
            None if values is None else self.segments_of(values),
            weights,
            f"give {rows_needed(self.alpha)} rows or more",
        )
        self._hold_calibration_rows(values)
        self._run_self_test()
        self._record("recalibrate", rows)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Add rows to the training and calibration rows. Without an earlier fit, this is `fit`.

        The new rows are split at random, with the fraction of `fit`, which is a fifth for `"auto"`. With `"auto"`,
        leave-one-out calibration ends with the first call that gives enough calibration rows. The detector then holds
        a uniform random sample of all training rows so far, at most `EnergySettings.rows`, and the energy is fitted on
        it again. It also holds a sample of at most 2,048 calibration rows, which the new energy scores again. Levels
        of categories and gaps that the new rows have become known. A call takes as long as a fit on the rows that are
        held.

        Args:
            X: `(N, ...)` rows, assumed to be in-distribution, with the columns of the fit.
            y: ignored.

        Raises:
            InputError: the rows are invalid, or the detector is supervised, has prototypes, weights, `contamination` or
                a `torch.nn.Module` as `embed`.
        """
        if not hasattr(self, "offset_"):
            return self.fit(X, y)
        self._check_can_grow()
        X = self._embedded(X)
        columns = Columns(self.shape_in_ or (), self._names())
        rows = read_rows(X, self.levels_, columns, extend_levels=True)
        warn_about_names(rows.columns, columns)
        check_magnitude(rows)
        held = len(self.model_.memory)
        with threads_for(self.settings_.work(held + len(rows.values), held, rows.values.shape[1])):
            self._add_rows(rows.values, dict(rows.levels))
        self._record("partial_fit", len(rows.values))
        return self

    def _add_rows(self, values: Floats, levels: dict[int, Levels]) -> None:
        scorer, device = self.scorer_, self.scorer_.device
        assert scorer.ranges is not None
        rng = numpy_stream(self.seed_, f"partial_fit/{len(self.history_)}")
        segments = self.segments_of(values)
        fraction = self._calibration_fraction(len(values))
        training, calibration = split_within_segments(
            fraction, np.zeros(len(values)) if segments is None else segments, rng
        )
        held = self.model_.memory.cpu().numpy()
        x = np.concatenate([held, values[training]])
        fitted = fit_score_model(
            x,
            self.settings_,
            self.seed_,
            device=str(device),
            levels={column: len(names) for column, names in levels.items()},
            earlier=EarlierRows(self.n_training_rows_, len(held), self.model_.layout.table, scorer.ranges),
        )
        grown = RowScorer(
            fitted.model,
            None,
            shape=scorer.shape,
            ranges=training_ranges(np.concatenate([scorer.ranges, x])),
            lowest_scores=np.full(2, fitted.scores.min()),
            device=device,
        )
        reservoir, calibration_rows, scores = self.calibration_rows_, x, fitted.scores
        if fraction:
            new_rows = values[calibration]
            if reservoir is None:
                reservoir = Reservoir.of(new_rows, HELD_CALIBRATION_ROWS, rng)
            else:
                reservoir = reservoir.add(new_rows, HELD_CALIBRATION_ROWS, rng)
            calibration_rows, scores = reservoir.rows, grown.score_rows(reservoir.rows)
        self.scorer_, self.model_, self.levels_, self.calibration_rows_ = (
            grown,
            fitted.model,
            levels,
            reservoir,
        )
        self.leave_one_out_ = not fraction
        self.n_training_rows_ += len(training)
        self.training_scores_ = fitted.scores
        self.replacements_ = replacement_values(x)
        self._set_calibration(scores, self.segments_of(calibration_rows), None, "add more rows")
        self._run_self_test()

    def _calibration_fraction(self, rows: int) -> float:
        """Return the fraction of new rows for calibration; 0 if leave-one-out calibration continues."""
        if self.leave_one_out_:
            resolved = resolve_calibration(self.calibration, rows, self.alpha, knows_loo=False)
            count = 0 if resolved == LEAVE_ONE_OUT else count_calibration_rows(resolved, rows)
            return count / rows if count >= rows_needed(self.alpha) else 0.0
        if isinstance(self.calibration, str):
            return FIFTH
        if isinstance(self.calibration, Integral):
            return min(0.5, int(self.calibration) / self.history_[0].rows)
        return float(self.calibration)

    def _check_can_grow(self) -> None:
        """Check that the detector can take more training rows."""
        reason = self._obstacle()
        if reason is None and self.calibration_.weights is not None:
            reason = "the calibration rows have weights; call recalibrate(X) without weights first"
        if reason is None and self.calibration_rows_ is None and not self.leave_one_out_:
            reason = "a parameter was changed after the fit; fit the detector on all rows again"
        if reason is not None:
            raise InputError(f"partial_fit: {reason}")

    def _obstacle(self) -> str | None:
        """Return why the detector cannot take more training rows, or None."""
        again = "fit the detector on all rows again"
        if self.supervised:
            return f"a supervised detector does not take more rows; {again}"
        if isinstance(self.embed, nn.Module):
            return (
                f"a detector with a module as embed= does not take more rows; {again}, or give outputs of the module "
                "as X"
            )
        if self.memory != "rows":
            return f"prototypes do not take more rows; {again}, or set memory='rows'"
        if self.contamination is not None:
            return f"contamination needs all rows at once; {again}, or set contamination=None"
        return None

    def _hold_calibration_rows(self, values: Floats | None) -> None:
        """Hold a sample of the calibration rows, if `partial_fit` may need them."""
        self.calibration_rows_ = None
        if values is not None and self._obstacle() is None and not self.leave_one_out_:
            rng = numpy_stream(self.seed_, f"calibration rows/{len(self.history_)}")
            self.calibration_rows_ = Reservoir.of(values, HELD_CALIBRATION_ROWS, rng)

    def _set_calibration(
        self, scores: Floats, segments: Floats | None, weights: Floats | None, advice: str
    ) -> None:
        """Calibrate with the scores of calibration rows in any order. `advice` says what helps if they are too few."""
        least = rows_needed(self.alpha)
        self.calibration_ = CalibrationScores.of_rows(scores, segments, weights, least)
        self.offset_ = self.calibration_.offset(self.alpha)
        warn_if_no_row_is_flagged(self.calibration_, self.alpha, advice)
        without_rate = [segment for segment in self.segments_ if segment.false_alarm_rate is None]
        if without_rate:
            first = without_rate[0]
            warn(
                f"segment={self.segment!r}: {first.name} has {first.calibration_rows} calibration "
                f"{noun(first.calibration_rows, 'row')} and needs {least} (in total {len(without_rate)} such "
                f"{noun(len(without_rate), 'value')}), so its rows are compared with all "
                "calibration rows, and its false-alarm rate is unknown; give more of its rows, or set "
                "calibration='loo'",
                CalibrationWarning,
            )

    def held_rows(self) -> HeldRows | None:
        """Return what recognises training rows, or None if the detector holds prototypes."""
        if self.memory != "rows":
            return None
        return HeldRows(self.model_.memory.cpu().numpy(), self.n_training_rows_)

    def _warn_about_training_rows(self, features: Floats) -> None:
        """Warn if more rows `(N, E)` equal a row in memory than by chance, as training rows do."""
        held = self.held_rows()
        count = 0 if held is None else held.count(features)
        if held is not None and held.are_training_rows(count, len(features)):
            warn_of_training_rows(count / len(features))

    def _run_self_test(self) -> None:
        """Score the probes, if the inputs are numbers. They count as in-distribution at or above their threshold."""
        self.probes_ = ()
        if self.scorer_.ranges is not None:
            self.probes_ = run_self_test(
                self._above_threshold, self.scorer_.ranges, 0.0, self.seed_, self.levels_
            )

    def _above_threshold(self, rows: Floats) -> Floats:
        """Return scores of rows `(N, D)` minus their thresholds, or minus the lowest calibration score if higher."""
        offsets = np.array(self.offset_)
        if self.calibration_.weights is None:
            offsets = self.calibration_.offsets(len(rows), self.segments_of(rows), self.alpha)
        return self.scorer_.score_rows(rows) - np.maximum(offsets, self.calibration_scores_[0])

    def _record(self, what: Literal["fit", "recalibrate", "partial_fit"], rows: int) -> None:
        count = len(self.calibration_.scores)
        self.history_ += (Event.now(what, rows, count, self.offset_, self.seed_),)
