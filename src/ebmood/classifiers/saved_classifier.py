"""Save and load the fitted score of a classifier: a folder with one JSON file and its tensors. There is no pickle.

    classifier.json                 settings, calibration scores, SHA-256 of the network's weights and of the tensors
    score-<sha256>.safetensors      tensors of the fitted score; for KNN and memories, features of in-distribution rows

The files are written and checked as those of an `EnergyDetector` (`ebmood.detector.persistence.detector_files`).
"""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import torch
from pydantic import BeforeValidator, Field, JsonValue, SerializeAsAny, model_validator

from ebmood.core.errors import EbmoodError
from ebmood.core.settings import Settings, by_kind
from ebmood.detector.calibration_scores import CalibrationScores
from ebmood.detector.persistence.detector_files import (
    CLASSIFIER_JSON,
    Format,
    Weights,
    read_detector,
    write_detector,
)
from ebmood.scores import FittedScore, Outputs, Score

if TYPE_CHECKING:  # `ClassifierDetector.save` calls this module
    from ebmood.classifiers.classifier_detector import ClassifierDetector

LIBRARIES = ("ebmood", "numpy", "safetensors", "torch")
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
AnyScore = Annotated[SerializeAsAny[Score], BeforeValidator(by_kind(Score))]


class ClassifierMetadata(Settings):
    """Everything of a fitted detector except its tensors.

    Attributes:
        score: the settings of the score, as they were given.
        fitted_score: the settings with those that in-distribution rows determined.
        layer: the layer whose input are the features; None for the linear layer that runs last.
        alpha: level of the flags.
        calibration: the parameter of the detector.
        class_conditional: whether each predicted class is calibrated on its own.
        seed: the seed that `random_state` gave.
        features: E.
        classes: K.
        fit_rows: number of rows that fitted the score.
        accuracy: fraction of rows whose label the network predicts; None without labels.
        calibration_scores: ascending.
        calibration_classes: for each of them the predicted class; None without `class_conditional`.
        class_rows: calibration rows that a class needs to be calibrated on its own.
        network: SHA-256 of the weights of the network.
        network_class: name of the class of the network.
        versions: versions of the libraries that wrote the detector.
        notes: JSON values of the caller.
        files: SHA-256 of the tensors.
    """

    score: AnyScore
    fitted_score: AnyScore
    layer: str | None
    alpha: float = Field(gt=0, lt=1)
    calibration: int | float | Literal["auto"]
    class_conditional: bool
    seed: int
    features: int = Field(ge=1)
    classes: int = Field(ge=2)
    fit_rows: int = Field(ge=2)
    accuracy: float | None = Field(default=None, ge=0, le=1)
    calibration_scores: tuple[float, ...] = Field(min_length=1)
    calibration_classes: tuple[int, ...] | None
    class_rows: int = Field(ge=1)
    network: Sha256
    network_class: str
    versions: dict[str, str]
    notes: dict[str, JsonValue]
    files: dict[Literal["score"], Sha256]

    @model_validator(mode="after")
    def _check_consistency(self) -> "ClassifierMetadata":
        scores = self.calibration_scores
        if not np.isfinite(scores).all() or list(scores) != sorted(scores):
            raise ValueError("calibration scores must be finite and ascending")
        if self.class_conditional != (self.calibration_classes is not None):
            raise ValueError("calibration scores must have classes if each class is calibrated on its own")
        if self.calibration_classes is not None and len(self.calibration_classes) != len(scores):
            raise ValueError("every calibration score needs a class")
        if set(self.files) != {"score"}:
            raise ValueError("files must name the tensors of the score")
        return self


CLASSIFIER = Format(
    "ebmood-classifier", 2, 1, CLASSIFIER_JSON, ClassifierMetadata, "detector of a classifier"
)
"""A `ClassifierDetector`."""


def save_classifier(detector: "ClassifierDetector", folder: Path, notes: dict[str, JsonValue]) -> None:
    """Save a fitted detector; this implements `ClassifierDetector.save`."""
    tensors: Weights = dict(detector.score_.named_buffers())
    # A file of safetensors holds at least one tensor, and some scores have none.
    tensors["witness"] = torch.from_numpy(_witness(detector.score_, *_sizes(detector)))
    write_detector(folder, lambda files: _metadata(detector, notes, files), {"score": tensors}, CLASSIFIER)


SavedClassifier = tuple[ClassifierMetadata, FittedScore, CalibrationScores]
"""What a saved detector of a classifier holds."""


def load_classifier(folder: Path) -> SavedClassifier:
    """Read what `save_classifier` wrote.

    Raises:
        EbmoodError: there is no detector, it was changed or is malformed, or this version computes other scores.
    """
    metadata, weights = read_detector(folder, CLASSIFIER)
    tensors = weights["score"]
    witness = tensors.pop("witness", None)
    score = FittedScore(metadata.fitted_score, tensors)
    try:
        now = _witness(score, metadata.features, metadata.classes)
    except (KeyError, RuntimeError, IndexError, ValueError) as error:
        raise EbmoodError(f"{folder}: the tensors do not fit the score; fit the detector again") from error
    if witness is None or not np.allclose(now, witness.numpy(), rtol=1e-4, atol=1e-4):
        raise EbmoodError(
            f"{folder}: the scores differ from those saved by ebmood {metadata.versions.get('ebmood')}; use that "
            "version, or fit the detector again"
        )
    classes = metadata.calibration_classes
    calibration = CalibrationScores(
        np.array(metadata.calibration_scores, dtype=np.float64),
        None if classes is None else np.array(classes, dtype=np.float64),
        least=metadata.class_rows,
    )
    return metadata, score, calibration


def _witness(score: FittedScore, features: int, classes: int) -> np.ndarray:
    """Return the scores of three fixed rows, which `load_classifier` compares with the saved ones."""
    grid = torch.linspace(0, 1, 3, dtype=torch.float64)[:, None]
    return score.score_samples(
        Outputs(
            grid * torch.arange(1, features + 1, dtype=torch.float64) / features,
            grid * torch.arange(classes, dtype=torch.float64),
        )
    )


def _sizes(detector: "ClassifierDetector") -> tuple[int, int]:
    return detector.n_features_, detector.n_classes_


def _metadata(
    detector: "ClassifierDetector", notes: dict[str, JsonValue], files: dict[str, str]
) -> ClassifierMetadata:
    calibration = detector.calibration_
    return ClassifierMetadata(
        score=detector.score,
        fitted_score=detector.settings_,
        layer=detector.layer,
        alpha=float(detector.alpha),
        calibration=detector.calibration,
        class_conditional=bool(detector.class_conditional),
        seed=detector.seed_,
        features=detector.n_features_,
        classes=detector.n_classes_,
        fit_rows=detector.n_fit_rows_,
        accuracy=None if np.isnan(detector.accuracy_) else detector.accuracy_,
        calibration_scores=tuple(calibration.scores.tolist()),
        calibration_classes=None
        if calibration.segments is None
        else tuple(int(value) for value in calibration.segments),
        class_rows=calibration.least,
        network=detector.network_digest_,
        network_class=type(detector.network_.module).__qualname__,
        versions={name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
        notes=notes,
        files=files,  # type: ignore[arg-type]  # validated by ClassifierMetadata
    )
