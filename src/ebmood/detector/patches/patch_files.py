"""Save a detector of patches to a folder, and load it: JSON and safetensors, without pickle.

The folder is that of `ebmood.detector.persistence.detector_files`, with the format `ebmood-patches`.
"""

import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field, JsonValue, model_validator
from torch import Tensor

from ebmood.core.errors import EbmoodError
from ebmood.core.settings import Settings
from ebmood.detector.calibration_scores import CalibrationScores
from ebmood.detector.error_context import name_source
from ebmood.detector.history import Event
from ebmood.detector.parameters import resolve_device
from ebmood.detector.patches.feature_maps import check_has_maps
from ebmood.detector.patches.patch_detector import PatchDetector
from ebmood.detector.patches.patch_memory import PatchMemory, PatchSettings
from ebmood.detector.patches.training_images import TrainingImages
from ebmood.detector.persistence.detector_files import (
    JSON_NAME,
    PATCH_FORMAT,
    Format,
    Weights,
    read_detector,
    write_detector,
)
from ebmood.embedders import Embedder, EmbedderIdentity, reopen_embedder
from ebmood.embedders.lookup import check_identity

LIBRARIES = ("ebmood", "numpy", "pillow", "safetensors", "torch")
MEMORY_PREFIX = "memory."


class PatchMetadata(Settings):
    """Everything of a fitted detector of patches except its tensors. The names are keys of the file.

    Attributes:
        alpha: level of the flags.
        calibration: the parameter of the detector.
        memory: what the detector holds.
        device: device of the fit.
        seed: the seed that `random_state` gave.
        settings: settings of the memory.
        patches: number of patches or prototypes in memory.
        features: number of features of a patch.
        training_images: number of images of which patches are in memory.
        pictures: number of pictures of training images.
        calibration_scores: ascending.
        embedder: identity of the embedder.
        history: the fit.
        versions: versions of the libraries that fitted and wrote the detector.
        notes: JSON values of the caller.
        files: SHA-256 of the file of weights.
    """

    alpha: float = Field(gt=0, lt=1)
    calibration: int | float | Literal["auto"]
    memory: Literal["rows", "prototypes"]
    device: str
    seed: int
    settings: PatchSettings
    patches: int = Field(ge=2, le=20_000)
    features: int = Field(ge=1, le=100_000)
    training_images: int = Field(ge=1)
    pictures: int = Field(ge=0)
    calibration_scores: tuple[float, ...] = Field(min_length=1)
    embedder: EmbedderIdentity
    history: tuple[Event, ...] = Field(min_length=1)
    versions: dict[str, str]
    notes: dict[str, JsonValue]
    files: dict[Literal["patches"], str]

    @model_validator(mode="after")
    def _check_consistency(self) -> "PatchMetadata":
        scores = list(self.calibration_scores)
        if not np.isfinite(scores).all() or scores != sorted(scores):
            raise ValueError("calibration scores must be finite and ascending")
        if self.memory == "prototypes" and self.pictures:
            raise ValueError("a detector of prototypes has no pictures of training images")
        if len(self.files) != 1 or not all(
            re.fullmatch("[0-9a-f]{64}", digest) for digest in self.files.values()
        ):
            raise ValueError("files must hold one SHA-256 digest")
        return self


PATCHES = Format(PATCH_FORMAT, 2, 1, JSON_NAME, PatchMetadata, "detector of patches")
"""The format of a `PatchDetector`."""


def save_patch_detector(detector: PatchDetector, folder: Path, notes: dict[str, JsonValue]) -> None:
    """Save a fitted detector; this implements `PatchDetector.save`."""
    tensors: Weights = {MEMORY_PREFIX + name: t for name, t in detector.memory_.state_dict().items()}
    images = detector.training_images_
    if images is not None:
        content = np.frombuffer(b"".join(images.pictures), dtype=np.uint8).copy()
        tensors["pictures"] = torch.from_numpy(content)
        tensors["picture_bytes"] = torch.tensor([len(picture) for picture in images.pictures])
        tensors["picture_features"] = torch.from_numpy(images.features)

    def metadata(files: dict[str, str]) -> PatchMetadata:
        return PatchMetadata(
            alpha=float(detector.alpha),
            calibration=detector.calibration
            if isinstance(detector.calibration, float | str)
            else int(detector.calibration),
            memory=detector.memory,
            device=str(detector.device),
            seed=detector.seed_,
            settings=detector.settings_,
            patches=len(detector.memory_.memory),
            features=detector.memory_.memory.shape[1],
            training_images=detector.n_training_rows_,
            pictures=0 if images is None else len(images.pictures),
            calibration_scores=tuple(detector.calibration_scores_.tolist()),
            embedder=detector.embedder_.identity,
            history=detector.history_,
            versions={name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
            notes=notes,
            files=files,  # type: ignore[arg-type]  # validated by PatchMetadata
        )

    write_detector(folder, metadata, {"patches": tensors}, PATCHES)


def load_patch_detector(
    folder: Path, *, embed: Embedder | str | None = None, device: str = "cpu"
) -> PatchDetector:
    """Load a detector that `PatchDetector.save` wrote. On the same machine its maps are equal to the bit.

    Args:
        folder: the folder of the saved detector.
        embed: the embedder of the fit, or where it is now; None if it is found without it.
        device: the device on which to score.

    Raises:
        EbmoodError: there is no such detector, it was changed, truncated, is malformed, or newer than this library; or
            its embedder was changed or is absent.
    """
    metadata, weights = read_detector(folder, PATCHES)
    tensors = weights["patches"]
    with name_source(str(folder)):
        if isinstance(embed, Embedder):
            check_identity(embed, metadata.embedder)
            embedder = embed
        else:
            name = None if embed is None else str(embed)
            embedder = reopen_embedder(metadata.embedder, name, str(resolve_device(device)))
        embedder = check_has_maps(embedder)
    detector = PatchDetector(
        embed=embedder,
        alpha=metadata.alpha,
        calibration=metadata.calibration,
        memory=metadata.memory,
        patches=metadata.settings,
        device=device,
        random_state=metadata.seed,
    )
    detector.embedder_ = embedder
    detector.memory_ = _memory(folder, metadata, tensors).to(embedder.device)
    detector.training_images_ = _training_images(folder, metadata, tensors)
    detector.calibration_ = CalibrationScores(np.array(metadata.calibration_scores, dtype=np.float64))
    detector.offset_ = detector.calibration_.offset(metadata.alpha)
    detector.settings_ = metadata.settings
    detector.seed_ = metadata.seed
    detector.n_training_rows_ = metadata.training_images
    detector.history_ = metadata.history
    detector.notes_ = metadata.notes
    return detector


def read_patch_metadata(folder: Path) -> PatchMetadata:
    """Return the metadata of a saved detector of patches. Its embedder is not needed.

    Raises:
        EbmoodError: there is no such detector, or it was changed.
    """
    return read_detector(folder, PATCHES)[0]


def _memory(folder: Path, metadata: PatchMetadata, tensors: Weights) -> PatchMemory:
    state = {
        name.removeprefix(MEMORY_PREFIX): tensor
        for name, tensor in tensors.items()
        if name.startswith(MEMORY_PREFIX)
    }
    memory = PatchMemory(metadata.patches, metadata.features, metadata.settings)
    if _shapes(memory.state_dict()) != _shapes(state):
        raise EbmoodError(f"{folder}: the weights do not fit the settings; fit the detector again")
    memory.load_state_dict(state)
    return memory.eval().requires_grad_(False)


def _training_images(folder: Path, metadata: PatchMetadata, tensors: Weights) -> TrainingImages | None:
    if not metadata.pictures:
        return None
    content, lengths, features = (
        tensors.get(name, torch.empty(0)) for name in ("pictures", "picture_bytes", "picture_features")
    )
    fits = (
        content.dtype == torch.uint8
        and lengths.dtype == torch.int64
        and lengths.shape == (metadata.pictures,)
        and bool((lengths >= 0).all())
        and int(lengths.sum()) == content.numel()
        and features.dtype == torch.float32
        and features.shape == (metadata.pictures, metadata.features)
    )
    if not fits:
        raise EbmoodError(f"{folder}: the pictures of training images are malformed; fit the detector again")
    ends = lengths.cumsum(0).tolist()
    everything = content.numpy().tobytes()
    pictures = [everything[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return TrainingImages(tuple(pictures), features.numpy())


def _shapes(tensors: dict[str, Tensor]) -> dict[str, tuple[torch.dtype, torch.Size]]:
    return {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()}
