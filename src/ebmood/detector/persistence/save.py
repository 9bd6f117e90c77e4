"""Save a fitted detector to a folder. The format is described in `ebmood.detector.persistence.detector_files`."""

import platform
from importlib.metadata import version
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import JsonValue

from ebmood.detector.persistence.detector_files import Weights, digests, write_detector
from ebmood.detector.persistence.metadata import DetectorMetadata, InputColumns

if TYPE_CHECKING:  # `EnergyDetector.save` calls this module
    from ebmood.detector.estimator import EnergyDetector

LIBRARIES = ("ebmood", "numpy", "safetensors", "scikit-learn", "torch")

MODEL_PREFIX = "model."
"""Prefix of the score model's tensors in the file of weights."""


def save_detector(detector: "EnergyDetector", folder: Path, notes: dict[str, JsonValue]) -> None:
    """Save a fitted detector; this implements `EnergyDetector.save`."""
    write_detector(folder, lambda files: _metadata(detector, notes, files), _parts(detector))


def metadata_of(detector: "EnergyDetector", notes: dict[str, JsonValue]) -> DetectorMetadata:
    """Return the metadata that `save_detector` would write."""
    return _metadata(detector, notes, digests(_parts(detector)))


def _parts(detector: "EnergyDetector") -> dict[str, Weights]:
    parts = {"score": _score_tensors(detector)}
    if detector.scorer_.embedding is not None:
        parts["embed"] = dict(detector.scorer_.embedding.state_dict())
    return parts


def _score_tensors(detector: "EnergyDetector") -> Weights:
    scorer = detector.scorer_
    tensors: Weights = {MODEL_PREFIX + name: t for name, t in detector.model_.state_dict().items()}
    tensors["lowest"] = torch.from_numpy(scorer.lowest_scores)
    if scorer.ranges is not None and detector.replacements_ is not None:
        tensors["ranges"] = torch.from_numpy(scorer.ranges)
        tensors["replacements"] = torch.from_numpy(detector.replacements_)
        # Scores of these rows, which `load` compares with its own.
        tensors["witness"] = torch.from_numpy(scorer.score_rows(detector.replacements_))
    if detector.calibration_rows_ is not None:
        tensors["calibration_rows"] = torch.from_numpy(detector.calibration_rows_.rows)
    return tensors


def _metadata(
    detector: "EnergyDetector", notes: dict[str, JsonValue], files: dict[str, str]
) -> DetectorMetadata:
    scorer, scores = detector.scorer_, detector.calibration_
    calibration, contamination = detector.calibration, detector.contamination
    class_scores = getattr(detector, "class_calibration_scores_", None)
    return DetectorMetadata(
        alpha=float(detector.alpha),
        calibration=calibration if isinstance(calibration, str) else _python_number(calibration),
        leave_one_out=detector.leave_one_out_,
        contamination=contamination if contamination in (None, "auto") else float(contamination),
        left_out_rows=detector.n_left_out_rows_,
        strangest_rows=detector.strangest_rows_,
        memory=detector.memory,
        supervised=bool(detector.supervised),
        device=str(detector.device),
        seed=detector.seed_,
        energy=detector.settings_,
        speed=detector.speed,  # type: ignore[arg-type]  # validated by DetectorMetadata
        energy_parameter=detector.energy,
        layout=detector.model_.layout,
        levels=dict(detector.levels_),
        columns=InputColumns(shape=scorer.shape, names=_names(detector)),
        classes=tuple(detector.classes_.tolist()) if hasattr(detector, "classes_") else None,
        training_rows=detector.n_training_rows_,
        segment=detector.segment if isinstance(detector.segment, str | None) else int(detector.segment),
        calibration_scores=tuple(detector.calibration_scores_.tolist()),
        calibration_segments=None
        if scores.segments is None
        else tuple(None if np.isnan(value) else value for value in scores.segments.tolist()),
        calibration_weights=None if scores.weights is None else tuple(scores.weights.tolist()),
        segment_rows=scores.least,
        calibration_rows_seen=detector.calibration_rows_ and detector.calibration_rows_.seen,
        class_calibration_scores=class_scores and tuple(tuple(scores.tolist()) for scores in class_scores),
        probes=detector.probes_,
        history=detector.history_,
        embedder=None if detector.embedder_ is None else detector.embedder_.identity,
        embedding=None if scorer.embedding is None else type(scorer.embedding).__qualname__,
        versions={name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
        notes=notes,
        files=files,  # type: ignore[arg-type]  # validated by DetectorMetadata
    )


def _names(detector: "EnergyDetector") -> tuple[str, ...] | None:
    return tuple(detector.feature_names_in_) if hasattr(detector, "feature_names_in_") else None


def _python_number(number: float) -> float:
    """Return a number of any type, such as those of NumPy, as one that JSON has."""
    return int(number) if isinstance(number, Integral) else float(number)
