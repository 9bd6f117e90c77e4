"""Maps of energies over images: enlarged to pixels, coloured, and laid over the image."""

import io
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion
from torch.nn import functional

from ebmood.embedders.embedder import Bytes
from ebmood.embedders.images import EncodedImage, ImageInMemory, ImageItem

Maps = NDArray[np.float32]

COLOURS = np.array([[255, 236, 90], [240, 120, 20], [190, 0, 60]], dtype=np.float64)
"""The colours of the energies at 0, 1/2 and 1 of the scale. They differ in lightness too, for those who see no hues."""

OPACITY = 0.75
"""Opacity of the colour at the end of the scale. At its start it is 0."""

LARGEST_SIDE = 1024
"""Pixels per side of an overlay, at most."""


@dataclass(frozen=True)
class HeatScale:
    """Which energies are coloured, the same for all images of a detector.

    Attributes:
        low: energies below it are not coloured: minus the median score of the calibration images.
        high: energies above it have the last colour. It is four times as far from `low` as minus the lowest score of a
            calibration image.
        threshold: minus the threshold of the scores; None if no image can be flagged. A line surrounds places with
            higher energies.
    """

    low: float
    high: float
    threshold: float | None

    @classmethod
    def of_calibration(cls, scores: NDArray[np.float64], offset: float) -> "HeatScale":
        """Return the scale for the scores of calibration images, ascending, and the threshold of the scores."""
        low, largest = float(-np.median(scores)), float(-scores[0])
        spread = max(largest - low, 1e-6 * max(1.0, abs(low)))
        return cls(low, low + 4 * spread, -offset if np.isfinite(offset) else None)


def enlarge(energies: Maps, size: int) -> Maps:
    """Return maps with one value for each pixel, bilinear: `(N, h, w)` to `(N, size, size)`.

    Cell `(i, j)` has its centre at pixel `((i + 1/2) size / h - 1/2, (j + 1/2) size / w - 1/2)`.
    """
    x = torch.from_numpy(np.ascontiguousarray(energies))[:, None]
    return functional.interpolate(x, (size, size), mode="bilinear", align_corners=False)[:, 0].numpy()


def overlay(image: Bytes, energies: Maps, scale: HeatScale) -> Bytes:
    """Return an image with its map laid over it: `(3, S, S)` and `(h, w)` to `(S, S, 3)`.

    The image is half grey. The colour of a pixel goes from transparent yellow to dark red.
    """
    size = image.shape[-1]
    heat = enlarge(energies[None], size)[0]
    t = np.clip((heat - scale.low) / (scale.high - scale.low), 0, 1).astype(np.float64)
    stops = np.linspace(0, 1, len(COLOURS))
    colour = np.stack([np.interp(t, stops, COLOURS[:, channel]) for channel in range(3)], -1)
    pixels = image.transpose(1, 2, 0).astype(np.float64)
    base = 0.5 * pixels + 0.5 * pixels.mean(-1, keepdims=True)
    opacity = (OPACITY * np.sqrt(t))[..., None]
    result = (1 - opacity) * base + opacity * colour
    if scale.threshold is not None:
        result[_outline(heat > scale.threshold, max(1, size // 256))] = 0
    return np.clip(result.round(), 0, 255).astype(np.uint8)


def _outline(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Return the pixels of a mask that are nearer than `width` to a pixel outside it, inside the image."""
    square = np.ones((2 * width + 1, 2 * width + 1), dtype=bool)
    return mask & np.logical_not(binary_erosion(mask, square, border_value=1))


@dataclass(frozen=True)
class Square:
    """The central square of an image, which the embedder sees.

    Attributes:
        left: x of its first pixel in the image.
        top: y of its first pixel in the image.
        side: pixels per side.
    """

    left: int
    top: int
    side: int

    @classmethod
    def of(cls, width: int, height: int) -> "Square":
        """Return the central square of an image, as `ebmood.data.images.resize` crops it.

        >>> Square.of(60, 40)
        Square(left=10, top=0, side=40)
        """
        side = min(width, height)
        return cls((width - side) // 2, (height - side) // 2, side)

    def pixel(self, place: tuple[int, int], grid: tuple[int, int]) -> tuple[int, int]:
        """Return the pixel (x, y) of the image at the centre of cell `place` (row, column) of a grid.

        >>> Square.of(60, 40).pixel((0, 3), (4, 4))
        (45, 5)
        """
        y, x = ((place[axis] + 0.5) / grid[axis] * self.side for axis in (0, 1))
        return self.left + int(x), self.top + int(y)


def strangest_place(energies: Maps) -> tuple[int, int]:
    """Return the row and column of the cell with the highest energy of a map `(h, w)`."""
    row, column = np.unravel_index(int(energies.argmax()), energies.shape)
    return int(row), int(column)


def square_of(item: ImageItem) -> Square:
    """Return the central square of an image that can be read. Of a file, only the header is read."""
    if isinstance(item, ImageInMemory):
        if isinstance(item.image, np.ndarray):
            return Square.of(item.image.shape[2], item.image.shape[1])
        return Square.of(*item.image.size)
    from PIL import Image

    with Image.open(io.BytesIO(item.content) if isinstance(item, EncodedImage) else item.path) as image:
        width, height = image.size
        turned = (
            image.getexif().get(0x0112, 1) >= 5
        )  # the orientations in which width and height are exchanged
    return Square.of(height, width) if turned else Square.of(width, height)


def picture_of(item: ImageItem, largest_side: int = LARGEST_SIDE) -> Bytes:
    """Return the central square of an image in colour, `(3, S, S)`, of at most `largest_side` pixels per side."""
    return item.pixels(min(largest_side, square_of(item).side))[1]
