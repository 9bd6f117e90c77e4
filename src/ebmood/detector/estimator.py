"""EnergyDetector: the detector as a scikit-learn estimator."""

from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import JsonValue
from sklearn.base import OutlierMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ebmood.core.errors import InputError
from ebmood.core.threads import threads_for
from ebmood.detector.energy.contamination import LISTED, Contamination, strangest
from ebmood.detector.energy.feature_contributions import feature_contributions, replacement_values
from ebmood.detector.energy.fitting import fit_score_model, rows_without_strangest, settings_for
from ebmood.detector.energy.score_model import SPEEDS, EnergySettings
from ebmood.detector.energy.training_ranges import training_ranges
from ebmood.detector.item_embedding import embed_items, find_embedder
from ebmood.detector.labels import Labels, encode_labels
from ebmood.detector.model_inputs import ModelInputs, read_new_inputs, read_training_inputs
from ebmood.detector.nested_parameters import NestedParameters
from ebmood.detector.parameter_checks import check_parameters
from ebmood.detector.parameters import (
    LEAVE_ONE_OUT,
    Calibration,
    advise_for_calibration,
    resolve_calibration,
    resolve_seed,
    split_rows,
)
from ebmood.detector.persistence.save import save_detector
from ebmood.detector.row_scorer import RowScorer
from ebmood.detector.segments import find_segment_column
from ebmood.detector.updates import Updates
from ebmood.detector.user_embedding import frozen_copy
from ebmood.detector.validation.rows import Rows, column_labels
from ebmood.embedders import Embedder

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class EnergyDetector(Updates, OutlierMixin, NestedParameters):
    """Detect rows that are unlike the training rows, with a known false-alarm rate.

    `fit` keeps most rows as the memory of an energy (negative log-density) and reserves the others for calibration. New
    rows get a score (higher is more in-distribution) and a split-conformal p-value. A fitted detector holds training
    rows.

    `X` is a NumPy array, a pandas, polars or pyarrow table, a torch tensor or nested lists, with one row for each
    sample. It holds numbers; columns of a data frame may also hold text, categories or booleans. Missing values (None,
    NaN, null) are values of their own: a row with a missing value in a column that is complete in the training rows is
    flagged. So is a row with a new level in a column of categories in which every level occurs in two training rows or
    more. Inputs with more than two axes, such as images `(N, C, H, W)`, are flattened. Column names of a data frame are
    stored, and compared with those of new rows. Invalid input raises an `InputError` of one line.

    The class passes all checks of scikit-learn's `parametrize_with_checks` but `check_outliers_train`: there,
    `contamination` is the fraction of training rows that `predict` flags. Here `alpha` decides that.

    Args:
        alpha: level of `predict`: the fraction of rows like the training rows that may be flagged. The methods accept
            another level without a new fit.
        calibration: rows that are reserved for calibration, as a fraction (float) or as a number (int). `"auto"`
            reserves a fifth of them, if that is enough for `alpha` (93 rows or more at 0.05). Else it is `"loo"`: all
            rows are kept in memory, and each is also a calibration row, whose score is computed without it. The
            false-alarm rate is then measured and not guaranteed (docs/detector.md). With classes or prototypes, as
            many rows are reserved as `alpha` needs. With `"last"`, the last fifth of the rows is reserved in place of
            random rows, for rows in the order of time that depend on each other.
        contamination: fraction of the training rows that may be outliers. So many of the strangest rows are left out
            before the fit, and the energies use more neighbours than there may be outliers. `"auto"` leaves out rows
            that are far from most others. `alpha` then holds for rows like those that remain.
        supervised: whether to learn from the classes `y` as well; else `y` is ignored.
        embed: what maps inputs to rows. An embedder of `ebmood.embedders`, or its name, takes images (paths, images of
            Pillow, or bytes `(N, 3, H, W)`) or texts: `efficientnet-lite0`, `wordllama`, the path of an ONNX file, or
            an import path `package.module:attribute`; the methods then see its features as a table without names. Or
            a module: `X` may then be anything that it accepts. `fit` copies it and does not train it. It receives
            float32 tensors for arrays and data frames, other tensors unchanged, or lists.
        memory: what the detector holds: `rows`, or `prototypes`, which are centres of clusters of rows, for those who
            may not share rows. It then finds fewer outliers (docs/results/tables.md).
        speed: `fast` compares new rows with centres of at most 256 clusters of the rows that the detector holds, in
            half of the views: scores are computed about ten times as fast, and find slightly fewer outliers
            (docs/results/tables.md).
        energy: settings of the energy; None for those of `speed`. `set_params` names their fields, for example
            `energy__memory__neighbours`.
        segment: name or number of a column whose values have thresholds and p-values of their own. It is a feature as
            well. Values with fewer calibration rows than `alpha` needs are pooled
            (`ebmood.detector.calibration_scores`).
        device: `cpu`, `cuda`, `cuda:1`, ..., or `auto`.
        random_state: seed of the split into training and calibration rows, and of the sample of rows that is kept.

    Attributes:
        offset_ (float): rows with a lower score are flagged. Minus infinity if there are too few calibration rows for
            `alpha`; `fit` then warns and says how many are needed.
        calibration_ (CalibrationScores): scores of the calibration rows, with their segments and weights.
        leave_one_out_ (bool): whether the calibration rows are the training rows, each scored without itself.
        segments_ (tuple): for each segment its calibration rows, threshold and false-alarm rate; see
            `ebmood.detector.segments.SegmentSummary`.
        calibration_scores_ (ndarray): `(n,)` scores of the calibration rows, ascending.
        n_features_in_ (int): D; missing if `embed` takes inputs that are not floating-point numbers.
        feature_names_in_ (ndarray): column names, if `X` was a data frame with names.
        classes_ (ndarray): the classes, after a supervised fit.
        class_calibration_scores_ (tuple): for each class the scores of its calibration rows under it, ascending.
        probes_ (tuple): results of the self-test; see `ebmood.detector.energy.self_test.Probe`.
        levels_ (dict): the names of the levels of each category column, by its position.
        training_scores_ (ndarray): scores of the training rows, each computed without the row itself; after
            `partial_fit`, of those that were held and of the new ones. Not saved.
        embedder_ (Embedder): the embedder of images or texts, or None.
        model_ (ScoreModel): views and energies, `(N, D) -> (N,)`.
        settings_ (EnergySettings): the settings of the energy.
        strangest_rows_ (tuple): indices in the X of `fit` and scores of the ten strangest of the rows that were used.
        left_out_rows_ (ndarray): indices in the X of `fit`, ascending, of the rows that `contamination` left out. Not
            saved.
        n_left_out_rows_ (int): their number.
        seed_ (int): the seed that `random_state` gave.
        n_training_rows_ (int): number of rows on which the energy was fitted.
        history_ (tuple): the calls of `fit`, `recalibrate` and `partial_fit`; see `ebmood.detector.history.Event`.

    >>> detector = EnergyDetector(random_state=0)
    >>> rows = np.random.default_rng(0).normal(size=(200, 2))
    >>> detector.fit(rows).predict([[0.0, 0.0], [9.0, 9.0]])
    array([ 1, -1])
    """

    default_settings = {"energy": SPEEDS["default"]}
    notes_: dict[str, JsonValue]

    def __init__(
        self,
        *,
        alpha: float = 0.05,
        calibration: Calibration = "auto",
        contamination: Contamination = None,
        supervised: bool = False,
        embed: nn.Module | Embedder | str | None = None,
        memory: Literal["rows", "prototypes"] = "rows",
        speed: Literal["default", "fast"] = "default",
        energy: EnergySettings | None = None,
        segment: str | int | None = None,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
    ):
        self.alpha = alpha
        self.calibration = calibration
        self.contamination = contamination
        self.supervised = supervised
        self.embed = embed
        self.memory = memory
        self.speed = speed
        self.energy = energy
        self.segment = segment
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the energy, calibrate it on reserved rows, and run the self-test.

        Args:
            X: `(N, ...)` rows, three or more, assumed to be in-distribution.
            y: `(N,)` classes for a supervised fit; else ignored.

        Raises:
            InputError: rows, classes or a parameter are invalid.

        Warns:
            CalibrationWarning: there are too few calibration rows to flag anything at level alpha.
            SelfTestWarning: more than 1 % of a kind of probes, far from the training rows, are rated in-distribution.
        """
        self.__dict__.pop("offset_", None)  # a fit that fails leaves no fitted detector
        device = check_parameters(self)
        self.settings_ = SPEEDS[self.speed] if self.energy is None else self.energy
        self.seed_ = resolve_seed(self.random_state)
        embedding = frozen_copy(self.embed, device) if isinstance(self.embed, nn.Module) else None
        self.embedder_ = find_embedder(self.embed, str(device))
        inputs = read_training_inputs(self._embedded(X), embedding, device)
        self._store_columns(inputs.rows)
        self.segment_column_ = find_segment_column(self.segment, self.shape_in_, self._names())
        self.history_ = ()
        rows, columns = inputs.features.shape
        with threads_for(self.settings_.work(rows, min(rows, self.settings_.rows), columns)):
            self._fit_inputs(inputs, y, embedding, device)
        self._record("fit", rows)
        return self

    def fit_predict(self, X: Any, y: Any = None) -> NDArray[np.int64]:  # type: ignore[override]  # the mixin adds **kwargs
        """Return -1 for outliers among the training rows, and 1 for the others.

        With `contamination`, the outliers are the rows that it left out. Otherwise the result is `fit(X).predict(X)`;
        most of these rows are training rows, so `alpha` does not hold for them.
        """
        self.fit(X, y)
        if self.contamination is None:
            return self.predict(X)
        labels = np.ones(self.history_[0].rows, np.int64)
        labels[self.left_out_rows_] = -1
        return labels

    def _fit_inputs(
        self, inputs: ModelInputs, y: Any, embedding: nn.Module | None, device: torch.device
    ) -> None:
        kept = self._leave_out_strangest(inputs, y)
        if self.n_left_out_rows_:
            inputs, y = inputs.take(kept), np.asarray(y)[kept] if self.supervised else None
        segments = None if inputs.values is None else self.segments_of(inputs.values)
        resolved = resolve_calibration(
            self.calibration, len(kept), self.alpha, knows_loo=self._knows_leave_one_out()
        )
        self.leave_one_out_ = resolved == LEAVE_ONE_OUT
        training, calibration = split_rows(resolved, len(kept), self.seed_, segments)
        labels = encode_labels(y, len(kept), training) if self.supervised else None
        self.n_training_rows_ = len(training)
        self._fit_model(inputs, training, labels, embedding, device)
        self._calibrate(inputs, training, calibration, labels, kept)
        self._run_self_test()

    def feature_contributions(self, X: Any) -> Floats:
        """Return, for each feature, the largest rise of the score if only this feature changes: `(N, *shape)` as X.

        The feature with the largest value explains the score best. See `ebmood.detector.energy.feature_contributions`.

        Raises:
            InputError: the inputs of `embed` are not arrays of floating-point numbers.
        """
        values = self._read(X).values
        if values is None or self.replacements_ is None or self.shape_in_ is None:
            raise InputError("feature_contributions: needs inputs that are arrays of floating-point numbers")
        gains = feature_contributions(self.scorer_.score_rows, values, self.replacements_)
        return gains.reshape(-1, *self.shape_in_)

    def column_labels(self) -> tuple[str, ...]:
        """Return a name for every feature in order: the column name, or `x3`, or `x[0,2,5]`."""
        check_is_fitted(self)
        return () if self.shape_in_ is None else column_labels(self.shape_in_, self._names())

    def digest(self) -> str:
        """Return the SHA-256 of what scores and p-values depend on. It recognises a fitted detector."""
        check_is_fitted(self)
        embedding = self.scorer_.embedding
        states = (self.model_.state_dict(), *(() if embedding is None else (embedding.state_dict(),)))
        return self._digest((self.column_labels(), sorted(self.levels_.items())), *states)

    def save(self, folder: Path | str, notes: dict[str, JsonValue] | None = None) -> None:
        """Write the fitted detector to a folder. A detector that is already there is replaced atomically.

        Args:
            folder: created if it does not exist.
            notes: JSON values to store with the detector; `ebmood.load` returns them as `notes_`. None keeps those of
                a loaded detector.

        Raises:
            EbmoodError: the folder cannot be written.
        """
        check_is_fitted(self)
        save_detector(self, Path(folder), getattr(self, "notes_", {}) if notes is None else notes)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "offset_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.target_tags.required = bool(self.supervised)
        return tags

    def _store_columns(self, rows: Rows | None) -> None:
        for name in (
            "n_features_in_",
            "feature_names_in_",
            "classes_",
            "class_calibration_scores_",
            "notes_",
        ):
            self.__dict__.pop(name, None)  # of an earlier fit
        self.shape_in_ = None if rows is None else rows.shape
        self.levels_ = {} if rows is None else dict(rows.levels)
        if rows is not None:
            self.n_features_in_ = rows.values.shape[1]
            if rows.names is not None:
                self.feature_names_in_ = np.array(rows.names, dtype=object)

    def _leave_out_strangest(self, inputs: ModelInputs, y: Any) -> Indices:
        """Return the indices of the rows that are used: all without `contamination`, else without the strangest."""
        rows = len(inputs.features)
        self.left_out_rows_, self.n_left_out_rows_ = np.empty(0, np.intp), 0
        if self.contamination is None or rows < 3:
            return np.arange(rows)
        labels = encode_labels(y, rows, np.arange(rows)) if self.supervised else None
        codes = None if labels is None else labels.codes
        self.settings_ = settings_for(self.contamination, rows, self.settings_)
        kept = rows_without_strangest(
            inputs.features, self.contamination, self.settings_, self.seed_, self._level_counts(), codes
        )
        self.left_out_rows_ = np.setdiff1d(np.arange(rows), kept)
        self.n_left_out_rows_ = rows - len(kept)
        return kept

    def _knows_leave_one_out(self) -> bool:
        """Return whether `"auto"` may be leave-one-out calibration: not for prototypes and for classes."""
        return self.memory == "rows" and not self.supervised

    def _level_counts(self) -> dict[int, int]:
        return {column: len(levels) for column, levels in self.levels_.items()}

    def _fit_model(
        self,
        inputs: ModelInputs,
        training: Indices,
        labels: Labels | None,
        embedding: nn.Module | None,
        device: torch.device,
    ) -> None:
        fitted = fit_score_model(
            inputs.features[training],
            self.settings_,
            self.seed_,
            device=str(device),
            levels=self._level_counts(),
            y=None if labels is None else labels.codes[training],
            prototypes=self.memory == "prototypes",
        )
        self.model_ = fitted.model
        self.training_scores_ = fitted.scores
        rows = None if inputs.values is None else inputs.values[training]
        self.replacements_ = None if rows is None else replacement_values(rows)
        self.scorer_ = RowScorer(
            self.model_,
            embedding,
            shape=self.shape_in_,
            ranges=None if rows is None else training_ranges(rows),
            lowest_scores=np.full(1 + self.model_.classes, np.inf),
            device=device,
        )

    def _calibrate(
        self,
        inputs: ModelInputs,
        training: Indices,
        calibration: Indices,
        labels: Labels | None,
        kept: Indices,
    ) -> None:
        scorer, values = self.scorer_, inputs.values
        training_values = None if values is None else values[training]
        calibration_values = None if values is None else values[calibration]
        # New rows are clipped before an embedding, so calibration rows must be clipped as well.
        features = (
            inputs.features[calibration]
            if calibration_values is None
            else scorer.features(calibration_values)
        )
        scorer.lowest_scores[0] = self.training_scores_.min()
        if self.leave_one_out_:
            calibration_scores = self.training_scores_
        else:
            calibration_scores = scorer.scores(features, calibration_values)
        self._set_calibration(
            calibration_scores,
            None if calibration_values is None else self.segments_of(calibration_values),
            None,
            advise_for_calibration(
                self.alpha, self.calibration, len(inputs.features), knows_loo=self._knows_leave_one_out()
            ),
        )
        self._hold_calibration_rows(calibration_values)
        scores = np.empty(len(kept))
        scores[training], scores[calibration] = self.training_scores_, calibration_scores
        worst = strangest(scores, LISTED)
        self.strangest_rows_ = tuple(zip(kept[worst].tolist(), scores[worst].tolist(), strict=True))
        if labels is not None:
            self.classes_ = labels.classes
        if labels is not None and not self.leave_one_out_:
            class_scores = scorer.class_scores(inputs.features[training], training_values)
            scorer.lowest_scores[1:] = class_scores.min(axis=0)
            by_class = scorer.class_scores(features, calibration_values)
            codes = labels.codes[calibration]
            self.class_calibration_scores_ = tuple(
                np.sort(by_class[codes == k, k]) for k in range(len(labels.classes))
            )

    def _read(self, X: Any) -> ModelInputs:
        check_is_fitted(self)
        return read_new_inputs(self._embedded(X), self.scorer_, self._names(), self.levels_)

    def _embedded(self, X: Any) -> Any:
        """Return the features of X, or X itself if there is no embedder."""
        return X if self.embedder_ is None else embed_items(self.embedder_, X)

    def _names(self) -> tuple[str, ...] | None:
        return tuple(self.feature_names_in_) if hasattr(self, "feature_names_in_") else None
