"""A saved detector back from its folder, to the bit, or one line on why not; `ebmood.detector.persistence.save` wrote it."""

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ebmood.core import calibration as conformal
from ebmood.core.errors import EbmoodError, InputError
from ebmood.detector.estimator import EnergyDetector
from ebmood.detector.feature_contributions import LEVELS
from ebmood.detector.parameters import device_of
from ebmood.detector.persistence.detector_files import MODEL, DetectorRecord, Weights, read_record
from ebmood.detector.row_scorer import RowScorer
from ebmood.detector.score_model import ScoreModel
from ebmood.detector.user_embedding import frozen_copy


def load(folder: Path | str, *, embed: nn.Module | None = None, device: str = "cpu") -> EnergyDetector:
    """A detector that `EnergyDetector.save` wrote. Its scores equal those before, to the bit, on the same machine.

    Nothing in the folder is executed: it holds JSON and safetensors. What `save` was given as notes is in `notes_`.

    Args:
        folder: that was saved to.
        embed: a module built like the one that the detector was fitted with; it gets the saved weights in a copy.
        device: to score on.

    Raises:
        EbmoodError: no detector there, or one that is changed, truncated, malformed or newer than this library; or
            `embed` is missing, unneeded or another module than at the fit.
    """
    folder = Path(folder)
    record, weights = read_record(folder)
    place = device_of(device)
    score = weights["score"]
    classes = len(record.classes or ())
    columns = record.columns
    detector = EnergyDetector(
        alpha=record.alpha,
        calibration=record.calibration,
        supervised=record.supervised,
        gamma=record.gamma,
        embed=embed,
        energy=record.energy,
        device=device,
        random_state=record.seed,
    )
    model = _model(folder, record, {k: v for k, v in score.items() if k.startswith(MODEL)}, classes)
    width = record.features if record.embedding is None else math.prod(columns.shape or (0,))
    ranges = _array(folder, score, "ranges", (2, width)) if columns.shape is not None else None
    detector.scorer_ = RowScorer(
        model=model.to(place),
        embedding=_embedding(folder, record, weights, embed, place),
        shape=columns.shape,
        ranges=ranges,
        lowest=_array(folder, score, "lowest", (1 + classes,)),
        device=place,
    )
    detector.model_ = model
    detector.replacements_ = (
        _array(folder, score, "replacements", (len(LEVELS), width)) if ranges is not None else None
    )
    _compare_witness(folder, detector, record, score)
    detector.settings_ = record.energy
    detector.seed_ = record.seed
    detector.n_training_rows_ = record.training_rows
    detector.shape_in_ = columns.shape
    if columns.shape is not None:
        detector.n_features_in_ = width
        if columns.names is not None:
            if (len(columns.names),) != columns.shape:
                raise EbmoodError(
                    f"{folder}: {len(columns.names)} column names for rows of shape {columns.shape}"
                )
            detector.feature_names_in_ = np.array(columns.names, dtype=object)
    if record.classes is not None and record.class_calibration_scores is not None:
        detector.classes_ = np.array(record.classes)
        detector.class_calibration_scores_ = tuple(
            np.array(scores, dtype=np.float64) for scores in record.class_calibration_scores
        )
    detector.probes_ = record.probes
    detector.events_ = record.events
    detector.notes_ = record.notes
    detector.calibration_scores_ = np.array(record.calibration_scores, dtype=np.float64)
    detector.offset_ = conformal.offset(detector.calibration_scores_, record.alpha)
    return detector


def _model(folder: Path, record: DetectorRecord, tensors: Weights, classes: int) -> ScoreModel:
    state = {name.removeprefix(MODEL): tensor for name, tensor in tensors.items()}
    try:
        with torch.device("meta"):  # no memory yet: a hostile file must not make us ask for all there is
            shapes = _shapes(ScoreModel(record.energy, record.features, classes).state_dict())
        if shapes != _shapes(state):
            odd = sorted(set(shapes.items()) ^ set(_shapes(state).items()))[0][0]
            raise EbmoodError(
                f"{folder}: weights do not fit the settings, first {odd!r}; fit the detector again"
            )
        model = ScoreModel(record.energy, record.features, classes)
        model.load_state_dict(state)
    except (RuntimeError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise EbmoodError(
            f"{folder}: no model can be built from its settings ({type(error).__name__})"
        ) from error
    model.eval().requires_grad_(False)
    return model


def _embedding(
    folder: Path,
    record: DetectorRecord,
    weights: dict[str, Weights],
    module: nn.Module | None,
    device: torch.device,
) -> nn.Module | None:
    if record.embedding is None:
        if module is not None:
            raise InputError(f"embed: the detector in {folder} was fitted without one; leave it out")
        return None
    if not isinstance(module, nn.Module):
        raise InputError(
            f"{folder}: fitted with embed={record.embedding}(...), of which only the weights are saved; "
            "give load(folder, embed=<a module built like it>)"
        )
    copy = frozen_copy(module, device)
    if _shapes(dict(copy.state_dict())) != _shapes(weights["embed"]):
        raise InputError(
            f"{folder}: embed={type(module).__qualname__} has other weights than the module of the fit"
        )
    copy.load_state_dict(weights["embed"])
    return copy


def _compare_witness(folder: Path, detector: EnergyDetector, record: DetectorRecord, score: Weights) -> None:
    """A few rows of quantiles score as they did, or the code round the weights is not what it was."""
    rows = detector.replacements_
    if rows is None:
        return
    then = _array(folder, score, "witness", (len(rows),))
    now = detector.scorer_.of_values(rows)
    if np.allclose(now, then, rtol=1e-3, atol=1e-3):
        return
    if record.embedding is not None:
        raise InputError(
            f"{folder}: with embed={type(detector.scorer_.embedding).__qualname__} rows score otherwise than they did, "
            "though the weights fit; give a module built like that of the fit"
        )
    raise EbmoodError(
        f"{folder}: rows score otherwise than when it was saved by ebmood {record.versions.get('ebmood')} and torch "
        f"{record.versions.get('torch')}; use these, or fit again"
    )


def _array(folder: Path, tensors: Weights, name: str, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    tensor = tensors.get(name)
    if (
        tensor is None
        or tensor.dtype != torch.float64
        or tensor.ndim != len(shape)
        or any(want not in (None, got) for want, got in zip(shape, tensor.shape, strict=True))
    ):
        raise EbmoodError(
            f"{folder}: its weights hold no {name!r} of the right shape; fit the detector again"
        )
    return tensor.numpy()


def _shapes(tensors: dict[str, Tensor]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {name: (str(tensor.dtype), tuple(tensor.shape)) for name, tensor in tensors.items()}
