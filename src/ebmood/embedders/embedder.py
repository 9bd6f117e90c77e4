"""What every embedder has: an identity, and a function from items to rows of features."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ebmood.core.errors import InputError
from ebmood.core.settings import Settings
from ebmood.data.images.resize import RULE

Bytes = NDArray[np.uint8]
Features = NDArray[np.float32]

BATCH_IMAGES = 16
"""Images in every call of a network. The number is constant, because the last bits of the features of an image depend
on the number of images in the call."""

RESIZING = f"{RULE}; JPEG decoded at twice the size or more"
"""Identifies the rule by which images are resized before they are embedded."""

PixelRange = Literal["imagenet", "unit", "signed", "bytes"]
"""What a network expects of pixels: `ebmood.embedders.pixels` has the formulas."""


class EmbedderIdentity(Settings):
    """What an embedder is. It is saved with a detector and compared when the detector is loaded.

    Attributes:
        name: a name of `EMBEDDERS`, the path of an ONNX file, or an import path `package.module:attribute`.
        items: what is embedded.
        output: name of the output of an ONNX graph or of the layer of a module; None for that of the embedder.
        image_size: pixels per side of an image; None for texts.
        pixels: what the network expects of pixels; None for texts.
        dimension: number of features of an item.
        resizing: version of the rule by which images are resized; None for texts.
        sha256: SHA-256 of the file of the weights or of the graph, or of the tensors of a module.
    """

    name: str
    items: Literal["images", "texts"]
    output: str | None = None
    image_size: int | None = Field(default=None, ge=1)
    pixels: PixelRange | None = None
    dimension: int = Field(ge=1)
    resizing: str | None = None
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Embedder(ABC):
    """A fixed map from items to rows of features `(n, E)`, float32. Equal items have equal features.

    Attributes:
        identity: what the embedder is.
        device: the device on which it computes.
    """

    identity: EmbedderIdentity
    device: str = "cpu"

    def __deepcopy__(self, memo: object) -> "Embedder":
        return self  # it does not change, and a session of onnxruntime cannot be copied

    def __reduce__(self) -> tuple[Any, ...]:
        from ebmood.embedders.lookup import reopen_embedder

        return reopen_embedder, (self.identity, self.identity.name, self.device)

    @property
    def dimension(self) -> int:
        """The number E of features of an item."""
        return self.identity.dimension


class ImageEmbedder(Embedder):
    """An embedder of images. Subclasses compute the features of one batch of constant size.

    Attributes:
        batch: number of images in every call of the network.
    """

    batch: int = BATCH_IMAGES
    has_feature_maps: ClassVar[bool] = False
    """Whether `feature_maps` is available."""

    @property
    def image_size(self) -> int:
        """The number S of pixels per side that images must have."""
        assert self.identity.image_size is not None
        return self.identity.image_size

    def embed(self, images: Bytes) -> Features:
        """Return the features of images.

        Args:
            images: `(n, 3, S, S)`, uint8, RGB.

        Returns:
            `(n, E)`, float32. The values may be NaN if the network returns NaN; callers name the image.

        Raises:
            InputError: the images have another shape or type.
        """
        return self._in_batches(self._embed_batch, images)

    def feature_maps(self, images: Bytes) -> Features:
        """Return features of places in images, from layers in the middle of the network.

        Args:
            images: `(n, 3, S, S)`, uint8, RGB.

        Returns:
            `(n, C, h, w)`, float32: the vector `[:, i, j]` describes the part of the image around pixel
            `((i + 1/2) S / h, (j + 1/2) S / w)`.

        Raises:
            InputError: the embedder has no feature maps, or the images have another shape or type.
        """
        if not self.has_feature_maps:
            raise InputError(f"{self.identity.name}: has no feature maps; use efficientnet-lite0")
        return self._in_batches(self._map_batch, images)

    @abstractmethod
    def _embed_batch(self, images: Bytes) -> Features:
        """Return the features `(batch, E)` of `(batch, 3, S, S)` images."""

    def _map_batch(self, images: Bytes) -> Features:
        """Return the feature maps `(batch, C, h, w)` of `(batch, 3, S, S)` images."""
        raise NotImplementedError

    def _in_batches(self, function: Callable[[Bytes], Features], images: Bytes) -> Features:
        shape = (3, self.image_size, self.image_size)
        if images.dtype != np.uint8 or images.shape[1:] != shape or not len(images):
            raise InputError(
                f"images: {images.dtype} of shape {images.shape}; {self.identity.name} needs uint8 of shape "
                f"(n, 3, {shape[1]}, {shape[2]})"
            )
        parts = []
        for start in range(0, len(images), self.batch):
            part = images[start : start + self.batch]
            missing = self.batch - len(part)
            padded = np.concatenate([part, np.repeat(part[:1], missing, axis=0)]) if missing else part
            parts.append(function(padded)[: len(part)])
        return np.concatenate(parts)


class TextEmbedder(Embedder):
    """An embedder of texts."""

    @abstractmethod
    def embed(self, texts: Sequence[str]) -> Features:
        """Return the features of texts: `(n, E)`, float32."""
