"""Low-level sets: images that keep low-level content (patches, colours, edges) but lose their meaning.

A model that uses only this content gives such a set the log-density of the original images. All sets have the shape
of the images and are bytes.
"""

import numpy as np
from scipy.ndimage import correlate1d

from ebmood.core.seeding import numpy_stream
from ebmood.data.dataset import OODSet

GRID = 4
"""Number of patches along each side of an image."""

_CHUNK = 1000
"""Number of images that are processed together, to bound memory."""


def low_level_sets(images: np.ndarray, seed: int) -> tuple[OODSet, ...]:
    """Return four sets that are computed from the images, in their order.

    - `shuffled-patches`: a grid of 4 x 4 square patches in random order. Rows and columns outside the grid (if 4 does
      not divide the side) are not changed.
    - `shuffled-pixels`: all pixels in random order. The channels of a pixel stay together, so the histogram of each
      channel does not change.
    - `edges`: a quarter of the magnitude of the Sobel gradient, at most 255; edges are white.
    - `flat-colour`: the mean colour of the image in all pixels, which is the limit of blurring.

    Args:
        images: in-distribution images `(N, C, H, W)`, uint8.
        seed: seed of the split. It draws a different order for each image.
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
    """Return images with their square patches in random order: `(N, C, H, W)`, uint8.

    Args:
        images: `(N, C, H, W)`, uint8.
        generator: generator of the orders.
        side: side of a patch in pixels; None for a quarter of the shorter side of the image, at least 1.
    """
    _, channels, height, width = images.shape
    side = side or max(1, min(height, width) // GRID)
    grid_rows, grid_columns = height // side, width // side
    inside = np.s_[..., : grid_rows * side, : grid_columns * side]
    result = images.copy()
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK][inside]
        count = len(chunk)
        patches = chunk.reshape(count, channels, grid_rows, side, grid_columns, side).transpose(
            0, 2, 4, 1, 3, 5
        )
        patches = patches.reshape(count, grid_rows * grid_columns, -1)
        order = generator.permuted(np.tile(np.arange(grid_rows * grid_columns), (count, 1)), axis=1)
        patches = np.take_along_axis(patches, order[..., None], axis=1)
        patches = patches.reshape(count, grid_rows, grid_columns, channels, side, side).transpose(
            0, 3, 1, 4, 2, 5
        )
        result[start : start + _CHUNK][inside] = patches.reshape(chunk.shape)
    return result


def edges(images: np.ndarray) -> np.ndarray:
    """Return a quarter of the magnitude of the Sobel gradient in each channel, rounded, at most 255, uint8."""
    result = np.empty_like(images)
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK].astype(np.float32)
        magnitude = np.hypot(_sobel(chunk, 2, 3), _sobel(chunk, 3, 2))
        result[start : start + _CHUNK] = np.minimum(np.rint(magnitude / 4), 255)
    return result


def _sobel(images: np.ndarray, axis: int, smoothed_axis: int) -> np.ndarray:
    # `scipy.ndimage.sobel` would also smooth over images and channels.
    difference = correlate1d(images, [-1, 0, 1], axis=axis, mode="nearest")
    return correlate1d(difference, [1, 2, 1], axis=smoothed_axis, mode="nearest")


def flat_colour(images: np.ndarray) -> np.ndarray:
    """Return images in which all pixels have the mean colour of the image, rounded, uint8."""
    mean = np.rint(images.mean(axis=(2, 3), keepdims=True)).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(mean, images.shape))
