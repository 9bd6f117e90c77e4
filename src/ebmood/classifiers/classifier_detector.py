"""A calibrated detector for a classifier in production."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import JsonValue
from torch import Tensor, nn

from ebmood.classifiers.inputs import Batch, read_batches
from ebmood.classifiers.network import NetworkResults, Progress, head_of, prepare, run_network
from ebmood.classifiers.network_checks import warn_of_labels, warn_of_logits
from ebmood.classifiers.saved_classifier import SavedClassifier, load_classifier, save_classifier
from ebmood.core.calibration import rows_needed
from ebmood.core.errors import CalibrationWarning, InputError, warn
from ebmood.core.interface import for_interface
from ebmood.detector.calibrated import Calibrated
from ebmood.detector.calibration_scores import CalibrationScores, warn_if_no_row_is_flagged
from ebmood.detector.parameters import (
    AUTO,
    SplitCalibration,
    advise_for_calibration,
    check_alpha_and_device,
    resolve_calibration,
    resolve_seed,
    split_rows,
)
from ebmood.detector.score_batch import ScoreBatch
from ebmood.detector.user_embedding import frozen_copy
from ebmood.networks import classifier_outputs, module_sha256
from ebmood.scores import FitRows, FittedScore, Head, InputScore, Outputs, Score, score_by_name
from ebmood.scores.score import check_head, check_labels

Floats = NDArray[np.float64]

STEP_ROWS = 512
"""Rows of the fit from which the step of an input score is chosen, at most."""

MOST_CLASSES = 5
"""Most classes in a message."""


class ClassifierDetector(Calibrated):
    """Out-of-distribution detection for a trained classifier, with conformal p-values.

    `fit` takes in-distribution rows **that the network was not trained on**. Part of them fits the score, the others
    calibrate it. A network gives rows that it was trained on larger logits and more regular features than new rows of
    the same kind. Calibrated on them, it flags more new rows than `alpha` says: docs/guides/classifier.md has measured
    rates. A validation set is suitable, if no hyperparameter of the detector is chosen on it.

    For new rows like those of the fit, `P(p <= alpha) <= alpha` for every alpha, on average over fits. This holds for
    every network and every score, since both are fixed before the calibration.

    The network is copied in evaluation mode, and is not changed. Invalid input raises an `InputError` of one line,
    which counts rows from 0. Scores of one row in batches of different sizes may differ by rounding in the network.

    Args:
        model: a module that maps inputs to logits `(N, K)`.
        layer: name of the layer whose input are the features, as in `model.named_modules()`; None for the `nn.Linear`
            that runs last. The scores ViM, ReAct, ASH, SCALE, fDBD and NCI need that default, or its name.
        score: a score (`ebmood.scores`), or the name of one, with its default settings.
        alpha: level of `predict`: the fraction of rows like those of the fit that may be flagged.
        calibration: rows for calibration, as a fraction (float) or a number (int). The others fit the score. `"auto"`
            is a fifth of the rows, or as many as `alpha` needs, if half of the rows are left to fit the score.
        class_conditional: whether each predicted class has calibration rows and a threshold of its own. Then
            `P(p <= alpha) <= alpha` also holds among the rows that the network assigns to a class. Classes with fewer
            calibration rows than `alpha` needs are pooled (`ebmood.detector.calibration_scores`).
        device: `cpu`, `cuda`, `cuda:1`, ..., or `auto`: where the network computes.
        batch_size: rows in a forward pass, if X is an array or a tensor.
        random_state: seed of the split into rows of the score and rows of the calibration.

    Attributes:
        score_ (FittedScore): the fitted score.
        settings_ (Score): its settings, with those that in-distribution rows determined.
        calibration_ (CalibrationScores): scores of the calibration rows, with their predicted classes if
            `class_conditional`.
        offset_ (float): rows with a lower score are flagged, without `class_conditional`. Minus infinity if there are
            too few calibration rows for `alpha`; `fit` then warns and says how many are needed.
        accuracy_ (float): fraction of the rows of the fit whose label the network predicts; NaN without labels.
        n_fit_rows_ (int): rows that fitted the score.
        n_features_ (int): E.
        n_classes_ (int): K.
        network_digest_ (str): SHA-256 of the weights of the network.
        seed_ (int): the seed that `random_state` gave.
        notes_ (dict): JSON values of `save`.

    >>> from torch import nn
    >>> network = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> rows = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    >>> detector = ClassifierDetector(network, score="energy", random_state=0).fit(rows)
    >>> float(detector.p_values(rows[:50]).min()) > 0
    True
    """

    calibration: SplitCalibration
    score_: FittedScore
    settings_: Score
    accuracy_: float
    n_fit_rows_: int
    n_features_: int
    n_classes_: int
    network_digest_: str
    seed_: int

    def __init__(
        self,
        model: nn.Module,
        layer: str | None = None,
        *,
        score: str | Score = "joint",
        alpha: float = 0.05,
        calibration: SplitCalibration = "auto",
        class_conditional: bool = False,
        device: str = "cpu",
        batch_size: int = 64,
        random_state: int | np.random.RandomState | None = None,
    ):
        if not isinstance(model, nn.Module):
            raise InputError(f"model={type(model).__name__}: must be a torch.nn.Module that returns logits")
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise InputError(f"batch_size={batch_size!r}: must be a whole number from 1")
        if isinstance(calibration, str) and calibration != AUTO:
            raise InputError(
                f"calibration={calibration!r}: a classifier is calibrated on random rows; give a fraction"
            )
        self.device_ = check_alpha_and_device(alpha, device)
        self.network_ = classifier_outputs(frozen_copy(model, self.device_), layer).eval()
        self.layer = layer
        self.score = score_by_name(score) if isinstance(score, str) else score
        if not isinstance(self.score, Score):
            raise InputError(f"score={score!r}: must be the name of a score, or a score of ebmood.scores")
        self.alpha, self.calibration, self.class_conditional = alpha, calibration, class_conditional
        self.device, self.batch_size, self.random_state = device, batch_size, random_state
        self.notes_: dict[str, JsonValue] = {}

    def __repr__(self) -> str:
        network = type(self.network_.module).__name__
        if not hasattr(self, "score_"):
            return f"<ClassifierDetector of {network}, score {self.score.kind}, not fitted>"
        return (
            f"<ClassifierDetector of {network}, score {self.settings_.kind}, fitted on {self.n_fit_rows_} rows and "
            f"{len(self.calibration_scores_)} calibration rows, alpha={self.alpha:g}>"
        )

    def fit(self, X: Any, y: Any = None, progress: Progress = lambda rows: None) -> Self:
        """Fit the score on a part of the rows, and calibrate it on the others.

        Args:
            X: in-distribution rows that the network was not trained on: an array or a tensor `(N, *shape)` as the model
                takes it, nested lists or a data frame of numbers, or an iterable of batches such as a `DataLoader`,
                whose batches may be pairs of inputs and labels. Floating-point numbers are converted to the type of the
                network's parameters.
            y: `(N,)` labels: whole numbers from 0 to K - 1, the columns of the logits. None for those of the batches,
                or for a score that needs none.
            progress: called with the number of rows that have passed the network.

        Raises:
            InputError: a row, a label or a parameter is invalid, or the score needs an input that is missing.
            EbmoodError: the network returns no logits, or the layer receives no features.

        Warns:
            CalibrationWarning: there are too few calibration rows to flag anything at level alpha.
            DataWarning: the logits are probabilities, or the network predicts the labels no better than chance.
        """
        self.seed_ = resolve_seed(self.random_state)
        batches: Iterable[Batch] = read_batches(X, self.batch_size)
        if isinstance(self.score, InputScore):
            batches = list(batches)  # it reads the inputs twice, and an iterator can be read once
        clean = run_network(self.network_, batches, self.device_, progress=progress)
        labels = self._labels(y, clean)
        rows = len(clean.outputs)
        fit_rows, calibration_rows = (
            torch.from_numpy(part)
            for part in split_rows(
                resolve_calibration(self.calibration, rows, self.alpha, knows_loo=False), rows, self.seed_
            )
        )
        self.settings_ = self.score
        results = clean
        if isinstance(self.score, InputScore):
            x = prepare(self.network_, _rows_of(batches, fit_rows[:STEP_ROWS]), self.device_)
            self.settings_ = self.score.resolve(self.network_.logits, x)
            results = run_network(self.network_, batches, self.device_, self._perturb())
        head = self._head(clean)
        self.score_ = self.settings_.fit(
            FitRows(results.outputs.take(fit_rows), None if labels is None else labels[fit_rows], head)
        )
        self.n_fit_rows_ = len(fit_rows)
        self.n_features_, self.n_classes_ = clean.outputs.features.shape[1], clean.outputs.logits.shape[1]
        is_right = None if labels is None else labels == clean.outputs.predicted
        self.accuracy_ = float("nan") if is_right is None else float(is_right.double().mean())
        self.network_digest_ = module_sha256(self.network_.module)
        warn_of_logits(clean.outputs.logits)
        if is_right is not None:
            warn_of_labels(int(is_right.sum()), rows, self.n_classes_)
        advice = advise_for_calibration(self.alpha, self.calibration, rows, knows_loo=False)
        self._calibrate(results.outputs.take(calibration_rows), advice)
        return self

    def recalibrate(self, X: Any, progress: Progress = lambda rows: None) -> Self:
        """Replace the calibration rows without a new fit: scores stay, thresholds and p-values change.

        The p-values then hold for rows like the new calibration rows.

        Args:
            X: in-distribution rows that neither the network nor the score was fitted on, as for `fit`. Labels are not
                used.
            progress: called with the number of rows that have passed the network.

        Raises:
            InputError: X cannot be used; the message names the row.

        Warns:
            CalibrationWarning: there are too few rows to flag anything at level alpha.
        """
        self.check_fitted()
        self._calibrate(self.outputs(X, progress), f"give {rows_needed(self.alpha)} rows or more")
        return self

    def outputs(self, X: Any, progress: Progress = lambda rows: None) -> Outputs:
        """Return features and logits of rows, as the score receives them.

        Raises:
            InputError: X cannot be used; the message names the row.
        """
        return run_network(
            self.network_, read_batches(X, self.batch_size), self.device_, self._perturb(), progress
        ).outputs

    def score_samples(self, X: Any) -> Floats:
        """Return the scores of rows: `(N, *shape)` to `(N,)`, finite. Higher is more in-distribution.

        Raises:
            InputError: X cannot be used; the message names the row.
        """
        self.check_fitted()
        return self.score_.score_samples(self.outputs(X))

    def score_batch(self, X: Any, alpha: float | None = None) -> ScoreBatch:
        """Return scores, p-values and flags of rows, from one forward pass.

        Args:
            X: the rows, as for `fit`. Labels are not used.
            alpha: level of the flags; None for the `alpha` of the detector.

        Raises:
            InputError: X or alpha cannot be used.
        """
        self.check_fitted()
        return self.decide(self.outputs(X), alpha)

    def decide(self, outputs: Outputs, alpha: float | None = None) -> ScoreBatch:
        """Return scores, p-values and flags of rows whose outputs are known.

        Args:
            outputs: results of the method `outputs`.
            alpha: level of the flags; None for the `alpha` of the detector.
        """
        self.check_fitted()
        scores, classes = self.score_.score_samples(outputs), self._classes(outputs)
        return self._batch(scores, alpha, segments=classes)

    def digest(self) -> str:
        """Return the SHA-256 of what scores and p-values depend on. It recognises a fitted detector."""
        self.check_fitted()
        classes = self.calibration_.segments
        settings = (
            self.network_digest_,
            self.layer,
            self.settings_,
            None if classes is None else classes.tolist(),
        )
        return self._digest(settings, dict(self.score_.named_buffers()))

    def save(self, folder: Path | str, notes: dict[str, JsonValue] | None = None) -> None:
        """Write the fitted score and its calibration to a folder, without pickle.

        The network is not written, only SHA-256 of its weights. `load` takes the network.

        Args:
            folder: created if it does not exist. A detector that is already there is replaced atomically.
            notes: JSON values to store; None keeps those of a loaded detector.

        Raises:
            EbmoodError: the folder cannot be written.
        """
        self.check_fitted()
        save_classifier(self, Path(folder), self.notes_ if notes is None else notes)

    @classmethod
    def load(
        cls, folder: Path | str, model: nn.Module, *, device: str = "cpu", batch_size: int = 64
    ) -> "ClassifierDetector":
        """Load a detector that `save` wrote.

        No file in the folder is executed: it holds JSON and safetensors.

        Args:
            folder: the folder of the saved detector.
            model: the network of the fit, with the same weights.
            device: where the network computes.
            batch_size: rows in a forward pass, if X is an array or a tensor.

        Raises:
            EbmoodError: there is no detector, or it was changed, is malformed, or newer than this library.
            InputError: the weights of the model differ from those of the fit.
        """
        return cls.from_saved(Path(folder), load_classifier(Path(folder)), model, device, batch_size)

    @classmethod
    def from_saved(
        cls, folder: Path, saved: SavedClassifier, model: nn.Module, device: str, batch_size: int = 64
    ) -> "ClassifierDetector":
        """Return the detector of what `load_classifier` returned; see `load`."""
        metadata, score, calibration = saved
        detector = cls(
            model,
            metadata.layer,
            score=metadata.score,
            alpha=metadata.alpha,
            calibration=metadata.calibration,
            class_conditional=metadata.class_conditional,
            device=device,
            batch_size=batch_size,
            random_state=metadata.seed,
        )
        if module_sha256(detector.network_.module) != metadata.network:
            raise InputError(
                f"{for_interface('network', 'model')}: the weights of {type(model).__name__} differ from those of the "
                f"network that {folder} was fitted with (the SHA-256 differs); "
                f"{for_interface('give these with --weights', 'load these weights')}, or fit the detector again"
            )
        detector.score_, detector.settings_, detector.calibration_ = score, metadata.fitted_score, calibration
        detector.offset_ = calibration.offset(metadata.alpha)
        detector.accuracy_ = float("nan") if metadata.accuracy is None else metadata.accuracy
        detector.n_fit_rows_ = metadata.fit_rows
        detector.n_features_, detector.n_classes_ = metadata.features, metadata.classes
        detector.network_digest_, detector.seed_ = metadata.network, metadata.seed
        detector.notes_ = metadata.notes
        return detector

    def _perturb(self) -> Callable[[Tensor], Tensor] | None:
        if not isinstance(self.settings_, InputScore):
            return None
        score = self.settings_
        return lambda x: score.perturb(self.network_.logits, x)

    def _labels(self, y: Any, results: NetworkResults) -> Tensor | None:
        given = results.labels if y is None else y
        rows, classes = results.outputs.logits.shape
        return None if given is None else check_labels(given, rows, classes)

    def _head(self, results: NetworkResults) -> Head | None:
        """Return the last linear layer, if it computes the logits from the features."""
        head, outputs = head_of(self.network_, results.example), results.outputs
        if head is None or head.weight.shape != (outputs.logits.shape[1], outputs.features.shape[1]):
            return None
        try:
            check_head(head, outputs)
        except InputError:  # something is between this layer and the logits, such as a temperature
            return None
        return head

    def _classes(self, outputs: Outputs) -> Floats | None:
        return outputs.predicted.double().numpy() if self.class_conditional else None

    def _calibrate(self, outputs: Outputs, advice: str) -> None:
        """Calibrate with the outputs of calibration rows. `advice` says what helps if they are too few."""
        scores = self.score_.score_samples(outputs)
        needed = rows_needed(self.alpha)
        self.calibration_ = CalibrationScores.of_rows(scores, self._classes(outputs), least=needed)
        self.offset_ = self.calibration_.offset(self.alpha)
        warn_if_no_row_is_flagged(self.calibration_, self.alpha, advice)
        pooled = self.calibration_.without_rate
        if pooled:
            name = for_interface("--class-conditional", "class_conditional=True")
            classes = ", ".join(str(int(number)) for number in pooled[:MOST_CLASSES])
            more = f" and {len(pooled) - MOST_CLASSES} more" if len(pooled) > MOST_CLASSES else ""
            warn(
                f"{name}: rows that are predicted as {classes}{more} have fewer than {needed} calibration rows "
                "together, so they are compared with all rows, and their false-alarm rate is unknown; give more of "
                "their rows",
                CalibrationWarning,
            )

    def check_fitted(self) -> None:
        """Raise an `InputError` if the detector is not fitted."""
        if not hasattr(self, "score_"):
            raise InputError("ClassifierDetector: is not fitted; call fit(X, y) first")


def _rows_of(batches: Iterable[Batch], rows: Tensor) -> Tensor:
    """Return some rows of all batches, `rows` ascending, without a copy of the others."""
    parts, start = [], 0
    for batch in batches:
        within = rows[(rows >= start) & (rows < start + len(batch.x))] - start
        parts.append(batch.x[within])
        start += len(batch.x)
    return torch.cat(parts)
