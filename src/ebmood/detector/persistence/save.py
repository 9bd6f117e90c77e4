"""A fitted detector to a folder; `ebmood.detector.persistence.load` brings it back, `ebmood.detector.persistence.detector_files` has the format."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pydantic import JsonValue

from ebmood.detector.persistence.detector_files import MODEL, Columns, DetectorRecord, Weights, write_record

if TYPE_CHECKING:  # the estimator saves itself through this module
    from ebmood.detector.estimator import EnergyDetector

LIBRARIES = ("ebmood", "numpy", "safetensors", "scikit-learn", "torch")


def save(detector: "EnergyDetector", folder: Path, notes: dict[str, JsonValue]) -> None:
    """See `EnergyDetector.save`."""
    scorer, held_out = detector.scorer_, detector.calibration
    score: Weights = {MODEL + name: tensor for name, tensor in detector.model_.state_dict().items()}
    score["lowest"] = torch.from_numpy(scorer.lowest)
    if scorer.ranges is not None and detector.replacements_ is not None:
        score["ranges"] = torch.from_numpy(scorer.ranges)
        score["replacements"] = torch.from_numpy(detector.replacements_)
        score["witness"] = torch.from_numpy(scorer.of_values(detector.replacements_))
    parts = {"score": score}
    if scorer.embedding is not None:
        parts["embed"] = dict(scorer.embedding.state_dict())

    def record(files: dict[str, str]) -> DetectorRecord:
        return DetectorRecord(
            alpha=float(detector.alpha),
            calibration=held_out if isinstance(held_out, float) else int(held_out),
            supervised=bool(detector.supervised),
            gamma=float(detector.gamma),
            device=str(detector.device),
            seed=detector.seed_,
            energy=detector.settings_,
            features=detector.model_.features,
            columns=Columns(shape=scorer.shape, names=_names(detector)),
            classes=tuple(detector.classes_.tolist()) if hasattr(detector, "classes_") else None,
            training_rows=detector.n_training_rows_,
            calibration_scores=tuple(detector.calibration_scores_.tolist()),
            class_calibration_scores=(
                tuple(tuple(scores.tolist()) for scores in detector.class_calibration_scores_)
                if hasattr(detector, "classes_")
                else None
            ),
            probes=detector.probes_,
            events=detector.events_,
            embedding=None if scorer.embedding is None else type(scorer.embedding).__qualname__,
            versions={name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
            notes=notes,
            files=files,  # type: ignore[arg-type]  # checked by the record
        )

    write_record(folder, record, parts)


def _names(detector: "EnergyDetector") -> tuple[str, ...] | None:
    return tuple(detector.feature_names_in_) if hasattr(detector, "feature_names_in_") else None
