"""Low-level content: what is left of images when their meaning is taken away.

Models that go by such content give these sets the log-density of the images they were made from. All have
the images' shape and bytes.
"""

import numpy as np
from scipy.ndimage import correlate1d

from ebmood.core.seeding import numpy_stream
from ebmood.data.dataset import OODSet

GRID = 4
"""Patches to a side."""

_PIECE = 1000


def low_level_sets(images: np.ndarray, seed: int) -> tuple[OODSet, ...]:
    """Four sets made of `images`, in their order.

    - `shuffled-patches`: a grid of 4 x 4 square patches in random order; columns and rows that the grid does
      not reach (where 4 does not divide the side) stay in place.
    - `shuffled-pixels`: all pixels in random order. A pixel keeps its colour, so the histogram of each
      channel stays exactly as it was.
    - `edges`: the length of Sobel's gradient, a quarter of it, cut at 255; white edges on black.
    - `flat-colour`: the image's mean colour everywhere, which is what blurring ends in.

    Args:
        images: `(N, C, H, W)`, uint8, in-distribution.
        seed: of the split; it draws the orders, one for each image.
    """
    sets = {
        "shuffled-patches": shuffled_patches(images, numpy_stream(seed, "content/patches")),
        "shuffled-pixels": shuffled_patches(images, numpy_stream(seed, "content/pixels"), side=1),
        "edges": edges(images),
        "flat-colour": flat_colour(images),
    }
    return tuple(OODSet(name, "low-level", x) for name, x in sets.items())


def shuffled_patches(
    images: np.ndarray, generator: np.random.Generator, side: int | None = None
) -> np.ndarray:
    """Every image's square patches in an order of its own: `(N, C, H, W)`, uint8.

    Args:
        images: `(N, C, H, W)`.
        generator: draws the orders.
        side: of a patch, in pixels; None for a quarter of the shorter side, and 1 at least.
    """
    _, channels, height, width = images.shape
    side = side or max(1, min(height, width) // GRID)
    down, across = height // side, width // side
    covered = np.s_[..., : down * side, : across * side]
    result = images.copy()
    for start in range(0, len(images), _PIECE):
        piece = images[start : start + _PIECE][covered]
        count = len(piece)
        patches = piece.reshape(count, channels, down, side, across, side).transpose(0, 2, 4, 1, 3, 5)
        patches = patches.reshape(count, down * across, -1)
        order = generator.permuted(np.tile(np.arange(down * across), (count, 1)), axis=1)
        patches = np.take_along_axis(patches, order[..., None], axis=1)
        patches = patches.reshape(count, down, across, channels, side, side).transpose(0, 3, 1, 4, 2, 5)
        result[start : start + _PIECE][covered] = patches.reshape(piece.shape)
    return result


def edges(images: np.ndarray) -> np.ndarray:
    """A quarter of the length of Sobel's gradient in each channel, rounded, cut at 255: uint8."""
    result = np.empty_like(images)
    for start in range(0, len(images), _PIECE):
        piece = images[start : start + _PIECE].astype(np.float32)
        length = np.hypot(_sobel(piece, along=2, across=3), _sobel(piece, along=3, across=2))
        result[start : start + _PIECE] = np.minimum(np.rint(length / 4), 255)
    return result


def _sobel(images: np.ndarray, along: int, across: int) -> np.ndarray:
    # scipy's `sobel` would smooth over images and channels too.
    slope = correlate1d(images, [-1, 0, 1], axis=along, mode="nearest")
    return correlate1d(slope, [1, 2, 1], axis=across, mode="nearest")


def flat_colour(images: np.ndarray) -> np.ndarray:
    """Each image's mean colour over all of it, rounded: uint8."""
    mean = np.rint(images.mean(axis=(2, 3), keepdims=True)).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(mean, images.shape))
