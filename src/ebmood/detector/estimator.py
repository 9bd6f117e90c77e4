"""EnergyDetector: the scikit-learn face of the detector."""

import warnings
from collections.abc import Callable
from numbers import Real
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import JsonValue
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ebmood.core import calibration as conformal
from ebmood.core.errors import CalibrationWarning, InputError
from ebmood.detector.feature_contributions import contributions, replacement_values
from ebmood.detector.io.arrays import Rows, check_columns, column_labels, read_rows, refuse_huge
from ebmood.detector.labels import Labels, read_labels
from ebmood.detector.parameters import device_of, how_to_calibrate, seed_of, split_rows
from ebmood.detector.persistence.save import save
from ebmood.detector.row_scorer import RowScorer
from ebmood.detector.score_model import EnergySettings, ScoreModel, fit_energy
from ebmood.detector.self_test import Probe, run_probes
from ebmood.detector.user_embedding import as_items, embed, frozen_copy, read_objects

Floats = NDArray[np.float64]


class EnergyDetector(OutlierMixin, BaseEstimator):
    """Is this row like the training rows, and how sure is that?

    Fits a density's energy on most rows, keeps the others back for calibration and for nothing else, and rates new
    rows by a score (higher is more in-distribution) and a split-conformal p-value.

    `X` is a NumPy array, a pandas, polars or pyarrow table, a torch tensor or nested lists: finite numbers, one row
    for each sample. More than two axes, as of images `(N, C, H, W)`, are flattened. Column names of a data frame are
    remembered, and checked with their order. Anything that cannot be used is an `InputError` of one line.

    It passes all checks of scikit-learn's `parametrize_with_checks`.

    Args:
        alpha: the level of `predict`: which share of rows like the training rows may be flagged.
        calibration: rows held out, as a share (float) or as a number (int).
        supervised: learn from the classes `y` as well; else `y` is ignored.
        gamma: weight of the classes against the density, where supervised.
        embed: a module of the user's that turns inputs into rows; whatever it takes may then be `X`. It is copied at
            `fit`, and not trained. It receives float32 tensors (arrays, data frames), tensors as they are, or lists.
        energy: settings of the energy; None for the default.
        device: `cpu`, `cuda`, ..., or `auto`.
        random_state: seed of the split into training and calibration rows, and of training.

    Attributes:
        offset_ (float): rows with a lower score are flagged; minus infinity where calibration rows are too few for
            `alpha`, with a warning at `fit` that says how many it takes.
        calibration_scores_ (ndarray): `(n,)` scores of the rows held out, ascending.
        n_features_in_ (int): D; not there for inputs of `embed` that are no arrays of floats.
        feature_names_in_ (ndarray): the columns' names, where `X` was a data frame with names.
        classes_ (ndarray): the classes, where supervised.
        class_calibration_scores_ (tuple): for each class its calibration rows' scores under it, ascending.
        probes_ (tuple): the self-test, see `ebmood.detector.self_test.Probe`.
        model_ (ScoreModel): preprocessing and energy, `(N, D) -> (N,)`.
        settings_ (EnergySettings): of the energy, in full.
        seed_ (int): what `random_state` came to.
        n_training_rows_ (int): how many rows the energy was fitted on.
        events_ (tuple): one line for every time that training diverged, went back and on; as a rule, none.
    """

    model_: ScoreModel
    scorer_: RowScorer
    notes_: dict[str, JsonValue]

    def __init__(
        self,
        *,
        alpha: float = 0.05,
        calibration: float | int = 0.2,
        supervised: bool = False,
        gamma: float = 1.0,
        embed: nn.Module | None = None,
        energy: EnergySettings | None = None,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
    ):
        self.alpha = alpha
        self.calibration = calibration
        self.supervised = supervised
        self.gamma = gamma
        self.embed = embed
        self.energy = energy
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, report: Callable[[int, int], None] | None = None) -> Self:
        """Fit the energy, calibrate it on rows held out, and test it on probes.

        Args:
            X: `(N, ...)` rows, three or more, taken to be in-distribution.
            y: `(N,)` classes, where supervised; else ignored.
            report: called now and then with the training steps done and all there are.

        Raises:
            InputError: rows, classes or a parameter cannot be used.
            DivergedError: training diverged again and again.

        Warns:
            RollbackWarning: training diverged, went back and on.
            CalibrationWarning: too few calibration rows to flag anything at level alpha.
            SelfTestWarning: a probe far from the training rows is rated in-distribution.
        """
        device = self._check_parameters()
        self.settings_ = EnergySettings() if self.energy is None else self.energy
        self.seed_ = seed_of(self.random_state)
        embedding = None if self.embed is None else frozen_copy(self.embed, device)
        rows, features = self._read(X, embedding, device)
        training, held_out = split_rows(self.calibration, len(features), self.seed_)
        labels = read_labels(y, len(features), training) if self.supervised else None
        self.n_training_rows_ = len(training)
        self._remember_columns(rows)
        self.model_ = fit_energy(
            features[training],
            self.settings_,
            self.seed_,
            device=str(device),
            report=report,
            y=None if labels is None else labels.codes[training],
            gamma=float(self.gamma),
        )
        self.model_.eval().requires_grad_(False)
        self.events_ = self.model_.events
        fitted = None if rows is None else rows.values[training]
        self.replacements_ = None if fitted is None else replacement_values(fitted)
        self.scorer_ = RowScorer(
            self.model_,
            embedding,
            shape=self.shape_in_,
            ranges=None if fitted is None else np.stack([fitted.min(axis=0), fitted.max(axis=0)]),
            lowest=np.full(1 + self.model_.classes, np.inf),
            device=device,
        )
        if rows is not None and embedding is not None:  # as new rows are: drawn back where they are far out
            features[held_out] = self.scorer_.features(rows.values[held_out])
        self._calibrate(None if rows is None else rows.values, features, training, held_out, labels)
        self.probes_: tuple[Probe, ...] = ()
        if self.scorer_.ranges is not None:
            lowest_accepted = max(self.offset_, self.calibration_scores_[0])
            self.probes_ = run_probes(
                self.scorer_.of_values, self.scorer_.ranges, lowest_accepted, self.seed_
            )
        return self

    def score_samples(self, X: Any) -> Floats:
        """Scores of rows: `(N, ...) -> (N,)`, finite; higher is more in-distribution."""
        values, features = self._checked(X)
        return self.scorer_.scores(features, values)

    def decision_function(self, X: Any) -> Floats:
        """`score_samples(X) - offset_`: `(N, ...) -> (N,)`; negative for rows that are flagged at level `alpha`."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """`(N, ...) -> (N,)`: -1 for rows that are flagged as out-of-distribution at level `alpha`, +1 for others."""
        return np.where(self.score_samples(X) < self.offset_, -1, 1)

    def fit_predict(self, X: Any, y: Any = None) -> NDArray[np.int64]:  # type: ignore[override]  # the mixin adds **kwargs
        """`fit(X).predict(X)`. Most of these rows were fitted on, so the false-alarm rate is not `alpha` here."""
        return self.fit(X, y).predict(X)

    def p_values(self, X: Any) -> Floats:
        """Split-conformal p-values: `(N, ...) -> (N,)`, in (0, 1].

        Of new rows like the training rows, at most a share alpha has p-values of alpha or less, for every alpha.
        """
        return conformal.p_values(self.score_samples(X), self.calibration_scores_)

    def class_p_values(self, X: Any) -> Floats:
        """The p-value of each row as a member of each class: `(N, ...) -> (N, K)`, columns as in `classes_`.

        Calibrated within the class, so the promise of `p_values` holds for rows of every class on its own. A row
        whose largest p-value is small is like no class.

        Raises:
            InputError: the detector was fitted without classes.
        """
        values, features = self._checked(X)
        if not hasattr(self, "classes_"):
            raise InputError("class_p_values: fitted without classes; set supervised=True and give y to fit")
        scores = self.scorer_.class_scores(features, values)
        columns = [
            conformal.p_values(scores[:, k], calibration)
            for k, calibration in enumerate(self.class_calibration_scores_)
        ]
        return np.column_stack(columns)

    def select(self, X: Any, fdr: float = 0.05) -> NDArray[np.bool_]:
        """Rows to call out-of-distribution, of which a share `fdr` at most is expected to be wrong.

        Benjamini and Hochberg's procedure on the p-values of all rows together: `(N, ...) -> (N,)` booleans.

        Raises:
            InputError: fdr is not between 0 and 1.
        """
        return conformal.benjamini_hochberg(self.p_values(X), fdr)

    def feature_contributions(self, X: Any) -> Floats:
        """How much the score would gain at best by changing one feature alone: `(N, *shape) -> (N, *shape)`.

        The feature with the largest gain is the first to blame; see `ebmood.detector.feature_contributions`.

        Raises:
            InputError: the inputs of `embed` are no arrays of floats.
        """
        values, _ = self._checked(X)
        if values is None or self.replacements_ is None or self.shape_in_ is None:
            raise InputError("feature_contributions: needs inputs that are arrays of floating-point numbers")
        gains = contributions(self.scorer_.of_values, values, self.replacements_)
        return gains.reshape(-1, *self.shape_in_)

    def column_labels(self) -> tuple[str, ...]:
        """A name for every feature, in order: the column's own, or `x3`, or `x[0,2,5]`."""
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", None)
        return (
            ()
            if self.shape_in_ is None
            else column_labels(self.shape_in_, tuple(names) if names is not None else None)
        )

    def save(self, folder: Path | str, notes: dict[str, JsonValue] | None = None) -> None:
        """Write the fitted detector to a folder, replacing one that is there in a single step.

        Args:
            folder: made if it is not there.
            notes: plain values to keep with the model; `load` gives them back as `notes_`.

        Raises:
            EbmoodError: the folder cannot be written.
        """
        check_is_fitted(self)
        save(self, Path(folder), notes or {})

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "offset_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.target_tags.required = bool(self.supervised)
        return tags

    def _check_parameters(self) -> torch.device:
        conformal.allowed_alarms(self.alpha, 0)
        if self.embed is not None and not isinstance(self.embed, nn.Module):
            raise InputError(f"embed={type(self.embed).__name__}: must be a torch.nn.Module")
        if self.energy is not None and not isinstance(self.energy, EnergySettings):
            raise InputError(f"energy={self.energy!r}: must be EnergySettings, or None for the default")
        if not isinstance(self.gamma, Real) or not 0 <= float(self.gamma) < np.inf:
            raise InputError(f"gamma={self.gamma!r}: must be a finite number, 0 or more")
        return device_of(self.device)

    def _remember_columns(self, rows: Rows | None) -> None:
        self._forget("n_features_in_", "feature_names_in_")
        self.shape_in_ = None if rows is None else rows.shape
        if rows is not None:
            self.n_features_in_ = rows.values.shape[1]
            if rows.names is not None:
                self.feature_names_in_ = np.array(rows.names, dtype=object)

    def _calibrate(
        self,
        values: Floats | None,
        features: Floats,
        training: NDArray[np.intp],
        held_out: NDArray[np.intp],
        labels: Labels | None,
    ) -> None:
        self._forget("classes_", "class_calibration_scores_")
        fitted, apart = (None, None) if values is None else (values[training], values[held_out])
        self.scorer_.lowest[0] = self.scorer_.scores(features[training], fitted).min()
        self.calibration_scores_ = np.sort(self.scorer_.scores(features[held_out], apart))
        if labels is not None:
            self.scorer_.lowest[1:] = self.scorer_.class_scores(features[training], fitted).min(axis=0)
            by_class = self.scorer_.class_scores(features[held_out], apart)
            self.classes_ = labels.classes
            self.class_calibration_scores_ = tuple(
                np.sort(by_class[labels.codes[held_out] == k, k]) for k in range(len(labels.classes))
            )
        self.offset_ = conformal.offset(self.calibration_scores_, self.alpha)
        if not np.isfinite(self.offset_):
            warnings.warn(
                f"alpha={self.alpha} needs {conformal.rows_needed(self.alpha)} calibration rows, and there are "
                f"{len(held_out)}, so no row will be flagged. "
                f"{how_to_calibrate(self.alpha, self.calibration, len(features))}",
                CalibrationWarning,
                stacklevel=3,
            )

    def _read(self, X: Any, embedding: nn.Module | None, device: torch.device) -> tuple[Rows | None, Floats]:
        """X as numbers, where it is numbers, and the rows that the model sees."""
        if embedding is None:
            rows = read_rows(X)
            refuse_huge(rows)
            return rows, rows.values
        objects = read_objects(X)
        if objects.rows is None:
            return None, embed(embedding, objects.items, device)
        refuse_huge(objects.rows)
        return objects.rows, embed(embedding, as_items(objects.rows.values, objects.rows.shape), device)

    def _checked(self, X: Any) -> tuple[Floats | None, Floats]:
        """Like `_read`, and of the same kind and columns as at the fit."""
        check_is_fitted(self)
        names = tuple(self.feature_names_in_) if hasattr(self, "feature_names_in_") else None
        if self.scorer_.embedding is None:
            rows = read_rows(X)
            check_columns(rows, self.shape_in_ or (), names)
            return rows.values, rows.values
        objects = read_objects(X)
        if (objects.rows is None) != (self.shape_in_ is None):
            raise InputError(
                "X: the detector was fitted on another kind of input: floats, or codes and objects"
            )
        values = None
        if objects.rows is not None:
            check_columns(objects.rows, self.shape_in_ or (), names)
            values = objects.rows.values
        features = self.scorer_.features(objects.items if values is None else values)
        if features.shape[1] != self.model_.features:
            raise InputError(
                f"embed: {features.shape[1]} numbers for an input; at the fit {self.model_.features}"
            )
        return values, features

    def _forget(self, *names: str) -> None:
        """What an earlier fit left behind and this one may not set."""
        for name in names:
            self.__dict__.pop(name, None)
