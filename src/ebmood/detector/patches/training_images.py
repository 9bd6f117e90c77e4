"""Training images that a detector shows beside strange ones: small pictures, and features by which near ones are found.

An image has one row of features: the mean of its feature map over all places, in the coordinates of the memory of
patches. Near images have a small Euclidean distance between these rows.
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ebmood.embedders.embedder import Bytes

MAX_IMAGES = 500
"""Training images that a detector holds, at most: a uniform random sample of all."""

SIDE = 96
"""Pixels per side of a picture."""

QUALITY = 85
"""Quality of the JPEG files."""

ROUNDING = 1e-4
"""Features of one image differ by less between batches. They are standardised, so those of others differ by more."""


@dataclass(frozen=True)
class TrainingImages:
    """Some training images.

    Attributes:
        pictures: T JPEG files.
        features: `(T, K)`, float32.
    """

    pictures: tuple[bytes, ...]
    features: NDArray[np.float32]

    def contains(self, features: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return which images have the features of one of these images, up to rounding: `(N, K)` to `(N,)`."""
        return np.array([np.abs(self.features - row).max(axis=1).min() < ROUNDING for row in features], bool)

    def nearest(self, features: NDArray[np.float32], count: int) -> NDArray[np.intp]:
        """Return the numbers of the nearest training images: `(N, K)` to `(N, min(count, T))`, the nearest first."""
        differences = features[:, None, :].astype(np.float64) - self.features
        return np.argsort(np.square(differences).sum(-1), axis=1, kind="stable")[:, :count]


def small_picture(image: Bytes, side: int = SIDE) -> bytes:
    """Return a JPEG file of an image `(3, S, S)`, of at most `side` pixels per side."""
    from PIL import Image
    from PIL.Image import Resampling

    picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
    if picture.width > side:
        picture = picture.resize((side, side), Resampling.BILINEAR)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
