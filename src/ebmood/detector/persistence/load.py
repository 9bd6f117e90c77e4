"""Load a saved detector from its folder, with equal scores, or raise one line that says why that is impossible."""

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ebmood.core.errors import EbmoodError, InputError
from ebmood.detector.energy.feature_contributions import LEVELS
from ebmood.detector.energy.reservoir import Reservoir
from ebmood.detector.energy.score_model import ScoreModel
from ebmood.detector.error_context import name_source
from ebmood.detector.estimator import EnergyDetector
from ebmood.detector.parameters import resolve_device
from ebmood.detector.persistence.detector_files import Weights, read_detector
from ebmood.detector.persistence.metadata import DetectorMetadata
from ebmood.detector.persistence.save import MODEL_PREFIX
from ebmood.detector.row_scorer import RowScorer
from ebmood.detector.segments import find_segment_column
from ebmood.detector.updates import HELD_CALIBRATION_ROWS
from ebmood.detector.user_embedding import frozen_copy
from ebmood.embedders import Embedder, reopen_embedder
from ebmood.embedders.lookup import check_identity


def load(
    folder: Path | str, *, embed: nn.Module | Embedder | str | None = None, device: str = "cpu"
) -> EnergyDetector:
    """Load a detector that `EnergyDetector.save` wrote. On the same machine its scores are equal to the bit.

    No file in the folder is executed: it holds JSON and safetensors. The notes of `save` are in `notes_`.

    Args:
        folder: the folder of the saved detector.
        embed: a module constructed like the one of the fit: a copy of it receives the saved weights. An embedder of
            images or texts is found without it, unless its file has moved, or it is a module of an import path.
        device: the device on which to score.

    Raises:
        EbmoodError: there is no detector, or it was changed, truncated, is malformed, or newer than this library; or
            `embed` is missing, not needed, or differs from the module of the fit.
    """
    folder = Path(folder)
    metadata, weights = read_detector(folder)
    embedder = _embedder(folder, metadata, embed, device)
    detector = EnergyDetector(
        alpha=metadata.alpha,
        calibration=metadata.calibration,
        contamination=metadata.contamination,
        memory=metadata.memory,
        supervised=metadata.supervised,
        embed=embed if embedder is None else embedder,
        speed=metadata.speed or "default",
        energy=metadata.energy if metadata.speed is None else metadata.energy_parameter,
        segment=metadata.segment,
        device=device,
        random_state=metadata.seed,
    )
    detector.embedder_ = embedder
    _restore_model(folder, detector, metadata, weights)
    _compare_witness(folder, detector, metadata, weights["score"])
    _restore_columns(folder, detector, metadata)
    _restore_calibration(folder, detector, metadata, weights["score"])
    detector.leave_one_out_ = metadata.has_leave_one_out()
    detector.settings_ = metadata.energy
    detector.seed_ = metadata.seed
    detector.n_training_rows_ = metadata.training_rows
    detector.n_left_out_rows_ = metadata.left_out_rows
    detector.strangest_rows_ = metadata.strangest_rows
    detector.probes_ = metadata.probes
    detector.history_ = metadata.history
    detector.notes_ = metadata.notes
    return detector


def _restore_model(
    folder: Path, detector: EnergyDetector, metadata: DetectorMetadata, weights: dict[str, Weights]
) -> None:
    device, shape, score = resolve_device(detector.device), metadata.columns.shape, weights["score"]
    classes, width = len(metadata.layout.rows), _width(metadata)
    detector.model_ = _model(folder, metadata, score).to(device)
    detector.scorer_ = RowScorer(
        model=detector.model_,
        embedding=None
        if detector.embedder_ is not None
        else _embedding(folder, metadata, weights, detector.embed, device),
        shape=shape,
        ranges=None if shape is None else _array(folder, score, "ranges", (2, width)),
        lowest_scores=_array(folder, score, "lowest", (1 + classes,)),
        device=device,
    )
    detector.replacements_ = (
        None if shape is None else _array(folder, score, "replacements", (len(LEVELS), width))
    )


def _restore_columns(folder: Path, detector: EnergyDetector, metadata: DetectorMetadata) -> None:
    columns = metadata.columns
    detector.shape_in_ = columns.shape
    detector.levels_ = metadata.levels
    if columns.shape is None:
        return
    detector.n_features_in_ = _width(metadata)
    if columns.names is not None:
        if (len(columns.names),) != columns.shape:
            raise EbmoodError(
                f"{folder}: {len(columns.names)} column names for rows of shape {columns.shape}"
            )
        detector.feature_names_in_ = np.array(columns.names, dtype=object)


def _restore_calibration(
    folder: Path, detector: EnergyDetector, metadata: DetectorMetadata, score: Weights
) -> None:
    detector.calibration_ = metadata.calibration_of_rows()
    detector.offset_ = detector.calibration_.offset(metadata.alpha)
    columns = metadata.columns
    detector.segment_column_ = find_segment_column(metadata.segment, columns.shape, columns.names)
    detector.calibration_rows_ = None
    if metadata.calibration_rows_seen is not None:
        held = min(metadata.calibration_rows_seen, HELD_CALIBRATION_ROWS)
        rows = _array(folder, score, "calibration_rows", (held, _width(metadata)))
        detector.calibration_rows_ = Reservoir(rows, metadata.calibration_rows_seen)
    if metadata.classes is not None:
        detector.classes_ = np.array(metadata.classes)
    if metadata.class_calibration_scores is not None:
        detector.class_calibration_scores_ = tuple(
            np.array(scores, dtype=np.float64) for scores in metadata.class_calibration_scores
        )


def _width(metadata: DetectorMetadata) -> int:
    """Return the number of features of an input row before an embedding."""
    return (
        metadata.layout.table.columns
        if metadata.embedding is None
        else math.prod(metadata.columns.shape or (0,))
    )


def _model(folder: Path, metadata: DetectorMetadata, score: Weights) -> ScoreModel:
    state = {
        name.removeprefix(MODEL_PREFIX): tensor
        for name, tensor in score.items()
        if name.startswith(MODEL_PREFIX)
    }
    sizes = (sum(metadata.layout.rows), metadata.layout.table.columns)
    if "memory" not in state or tuple(state["memory"].shape) != sizes:
        raise EbmoodError(f"{folder}: the weights do not fit the settings; fit the detector again")
    try:
        with torch.device("meta"):  # allocates no memory: the sizes in a malicious file may be huge
            shapes = _shapes(ScoreModel(metadata.energy, metadata.layout).state_dict())
        if shapes != _shapes(state):
            first = sorted(set(shapes.items()) ^ set(_shapes(state).items()))[0][0]
            raise EbmoodError(
                f"{folder}: the weights do not fit the settings, first {first!r}; fit the detector again"
            )
        model = ScoreModel(metadata.energy, metadata.layout)
        model.load_state_dict(state)
    except (RuntimeError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise EbmoodError(
            f"{folder}: no model can be built from its settings ({type(error).__name__})"
        ) from error
    return model.eval().requires_grad_(False)


def _embedder(
    folder: Path, metadata: DetectorMetadata, embed: nn.Module | Embedder | str | None, device: str
) -> Embedder | None:
    """Return the embedder of the fit, after a comparison with its identity; None if there was none."""
    if metadata.embedder is None:
        return None
    if isinstance(embed, nn.Module):
        raise InputError(
            f"{folder}: fitted with the embedder {metadata.embedder.name}, not with a module; leave embed= out"
        )
    with name_source(str(folder)):
        if isinstance(embed, Embedder):
            check_identity(embed, metadata.embedder)
            return embed
        return reopen_embedder(
            metadata.embedder, None if embed is None else str(embed), str(resolve_device(device))
        )


def _embedding(
    folder: Path,
    metadata: DetectorMetadata,
    weights: dict[str, Weights],
    module: object,
    device: torch.device,
) -> nn.Module | None:
    if metadata.embedding is None:
        if module is not None:
            raise InputError(f"embed: the detector in {folder} was fitted without one; leave it out")
        return None
    if not isinstance(module, nn.Module):
        raise InputError(
            f"{folder}: fitted with embed={metadata.embedding}(...), of which only the weights are saved; "
            "give load(folder, embed=<a module constructed like it>)"
        )
    copy = frozen_copy(module, device)
    if _shapes(dict(copy.state_dict())) != _shapes(weights["embed"]):
        raise InputError(
            f"{folder}: embed={type(module).__qualname__} has other weights than the module of the fit"
        )
    copy.load_state_dict(weights["embed"])
    return copy


def _compare_witness(
    folder: Path, detector: EnergyDetector, metadata: DetectorMetadata, score: Weights
) -> None:
    """Compare the scores of a few rows with the saved ones. A difference means that the code has changed."""
    rows = detector.replacements_
    if rows is None:
        return
    saved = _array(folder, score, "witness", (len(rows),))
    if np.allclose(detector.scorer_.score_rows(rows), saved, rtol=1e-3, atol=1e-3):
        return
    if metadata.embedding is not None:
        raise InputError(
            f"{folder}: with embed={type(detector.scorer_.embedding).__qualname__} the scores differ from the saved "
            "ones, although the weights fit; give a module constructed like the one of the fit"
        )
    raise EbmoodError(
        f"{folder}: the scores differ from those saved by ebmood {metadata.versions.get('ebmood')} and torch "
        f"{metadata.versions.get('torch')}; use these versions, or fit the detector again"
    )


def _array(folder: Path, tensors: Weights, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    tensor = tensors.get(name)
    if tensor is None or tensor.dtype != torch.float64 or tuple(tensor.shape) != shape:
        raise EbmoodError(
            f"{folder}: the weights hold no {name!r} of the right shape; fit the detector again"
        )
    return tensor.numpy()


def _shapes(tensors: dict[str, Tensor]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {name: (str(tensor.dtype), tuple(tensor.shape)) for name, tensor in tensors.items()}
