"""Rows of a classifier in files: an `.npz` with arrays, or a folder of images with one subfolder for each class."""

import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from ebmood.core.errors import EbmoodError, InputError, one_line
from ebmood.core.settings import Settings
from ebmood.data.images.resize import RULE
from ebmood.detector.io.image_stream import FILE_COLUMN, ImageStream, file_texts
from ebmood.detector.raw.items import IMAGES, ROWS, Items

Channel = Annotated[float, Field(allow_inf_nan=False)]
Deviation = Annotated[float, Field(gt=0, allow_inf_nan=False)]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ImageInput(Settings):
    """How images become inputs: `(bytes / 255 - mean) / std`, `(C, S, S)`.

    Attributes:
        size: S. The central square is resized to it (`ebmood.data.images.resize`).
        mean: of each channel; their number is C, 1 or 3.
        std: of each channel.
        rule: version of the resizing rule.
    """

    size: int = Field(ge=1, le=1024)
    mean: tuple[Channel, ...] = IMAGENET_MEAN
    std: tuple[Deviation, ...] = IMAGENET_STD
    rule: str = RULE

    @model_validator(mode="after")
    def _check(self) -> "ImageInput":
        if len(self.mean) not in (1, 3) or len(self.mean) != len(self.std):
            raise ValueError("mean and std must both have one value for each channel, 1 or 3")
        if self.rule != RULE:
            raise ValueError(f"the resizing rule {self.rule!r} is not that of this version, {RULE!r}")
        return self

    def inputs(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Return bytes `(n, C, S, S)` as inputs, float32."""
        mean, std = (torch.tensor(values)[:, None, None] for values in (self.mean, self.std))
        return (torch.from_numpy(pixels).float() / 255 - mean) / std


@dataclass(frozen=True)
class Part:
    """Some consecutive inputs that are scored together.

    Attributes:
        x: `(n, *shape)`, as the network takes them.
        kept: a column with the file of each input, or None.
        errors: what is wrong with inputs that cannot be scored, by their number in this part; None if such inputs are
            left out before.
    """

    x: NDArray | Tensor
    kept: pyarrow.RecordBatch | None = None
    errors: dict[int, str] | None = None


class ClassifierRows(ABC):
    """The inputs of a classifier in files.

    Attributes:
        source: name of the file or folder, for messages.
        items: what it holds, in words.
        skipped: one line for each image that was skipped so far.
        others: files of the folder that are not read.
    """

    source: str
    items: Items
    skipped: Sequence[str] = ()
    others: Sequence[str] = ()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def training(self) -> tuple[Any, Any]:
        """Return X and y for `ClassifierDetector.fit`."""

    @abstractmethod
    def parts(self, size: int) -> Iterator[Part]:
        """Yield all inputs in parts of at most `size`."""

    @abstractmethod
    def describe(self, row: int) -> str:
        """Return the name of an input that was read, by its number from 0, for messages."""


@dataclass(frozen=True)
class ArrayRows(ClassifierRows):
    """The arrays of an `.npz` file.

    Attributes:
        source: the file.
        x: `(N, *shape)`, as the network takes it.
        y: `(N,)` labels, or None.
    """

    source: str
    x: NDArray
    y: NDArray | None
    items: Items = ROWS

    def __len__(self) -> int:
        return len(self.x)

    def training(self) -> tuple[NDArray, NDArray | None]:
        """Return the arrays."""
        return self.x, self.y

    def parts(self, size: int) -> Iterator[Part]:
        """Yield all rows. Those with NaN or infinity are zeros, with an entry in `errors`."""
        for start in range(0, len(self.x), size):
            x = self.x[start : start + size]
            errors: dict[int, str] = {}
            if x.dtype.kind == "f":
                is_bad = ~np.isfinite(x.reshape(len(x), -1)).all(axis=1)
                errors = dict.fromkeys(np.flatnonzero(is_bad).tolist(), "the row holds NaN or infinity")
                x = np.where(is_bad.reshape(-1, *[1] * (x.ndim - 1)), 0, x).astype(x.dtype) if errors else x
            yield Part(x, errors=errors)

    def describe(self, row: int) -> str:
        """Return the file, and the row as it is indexed."""
        return f"{self.source}: X[{row}]"


@dataclass
class ImageRows(ClassifierRows):
    """Images of a folder.

    Attributes:
        stream: the images.
        image: how they become inputs.
        names: paths of the images that were read so far.
        classes: names of the subfolders in alphabetical order, which are the columns of the logits; None if the images
            are not in one subfolder for each class.
    """

    stream: ImageStream
    image: ImageInput
    names: list[str] = field(default_factory=list)
    classes: tuple[str, ...] | None = None
    items: Items = IMAGES

    def __post_init__(self) -> None:
        self.source, self.skipped, self.others = self.stream.source, self.stream.skipped, self.stream.others

    @classmethod
    def open(cls, folder: Path, image: ImageInput, skip_corrupt: bool) -> "ImageRows":
        """List the images of a folder.

        Raises:
            EbmoodError: there are none.
        """
        stream = ImageStream.open(folder, skip_corrupt)
        parents = {str(PurePosixPath(name).parent) for name in stream.names}
        flat = any("/" in parent or parent == "." for parent in parents)
        return cls(stream, image, classes=None if flat else tuple(sorted(parents)))

    def __len__(self) -> int:
        return len(self.stream.names)

    def training(self) -> tuple[Iterator[Tensor | tuple[Tensor, Tensor]], None]:
        """Return the batches, with labels if there are classes."""
        return self.batches(True), None

    def parts(self, size: int) -> Iterator[Part]:
        """Yield all images, with their paths in the column `file`."""
        done = 0
        for x in self.batches(False, min(size, 64)):  # a large image takes much memory
            assert isinstance(x, Tensor)
            files = pyarrow.RecordBatch.from_pydict({FILE_COLUMN: file_texts(self.names[done:])})
            done += len(x)
            yield Part(x, files)

    def describe(self, row: int) -> str:
        """Return the path of the image."""
        return f"{self.source}/{self.names[row]}"

    def batches(self, with_labels: bool, batch_size: int = 64) -> Iterator[Tensor | tuple[Tensor, Tensor]]:
        """Yield inputs, or pairs of inputs and labels."""
        for chunk in self.stream.chunks(len(self.image.mean), self.image.size):
            for start in range(0, len(chunk.names), batch_size):
                names = chunk.names[start : start + batch_size]
                x = self.image.inputs(chunk.pixels[start : start + batch_size])
                self.names += names
                if with_labels and self.classes is not None:
                    yield x, torch.tensor([self.classes.index(name.split("/")[0]) for name in names])
                else:
                    yield x


def read_arrays(path: Path) -> ArrayRows:
    """Return the arrays `X` and, if it is there, `y` of an `.npz` file, or the array of an `.npy` file as `X`.

    Pickled objects are refused.

    Raises:
        EbmoodError: the file cannot be read, or has no array `X`.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            x, y = loaded, None
        else:
            with loaded as file:
                names = list(file.files)
                if "X" not in names:
                    raise EbmoodError(f"{path}: no array X; the arrays are {', '.join(names) or 'none'}")
                x, y = file["X"], file["y"] if "y" in names else None
    except EbmoodError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = "it holds Python objects, or is no .npz file" if "pickle" in str(error) else one_line(error)
        raise EbmoodError(
            f"{path}: not a readable .npz file ({reason}); write it with numpy.savez(FILE, X=..., y=...)"
        ) from error
    if not x.ndim or not len(x):
        raise InputError(f"{path}: X has no rows")
    return ArrayRows(str(path), x, y)
