"""Grids of images as PNG files in text, so that a record can carry them from a worker to the page."""

import base64
import io
import math

import numpy as np
from matplotlib.image import imsave

GAP = 1
"""Pixels between two images."""


def pictures(images: dict[str, np.ndarray]) -> dict[str, str]:
    """PNG files in base64, one grid each; nothing for what is not a set of grey or colour images.

    Args:
        images: by name, `(N, C, H, W)` in [-1, 1]; what lies outside is clipped.
    """
    return {
        name: _png(_grid(x)) for name, x in images.items() if x.ndim == 4 and x.shape[1] in (1, 3) and len(x)
    }


def _grid(x: np.ndarray) -> np.ndarray:
    """`(N, C, H, W)` -> `(rows, columns, 3)` bytes, as square a grid as N allows, on white."""
    across = math.ceil(math.sqrt(len(x)))
    down = math.ceil(len(x) / across)
    height, width = x.shape[2] + GAP, x.shape[3] + GAP
    grid = np.full((down * height - GAP, across * width - GAP, 3), 255, np.uint8)
    bytes_ = np.round((np.clip(np.nan_to_num(x), -1, 1) + 1) * 127.5).astype(np.uint8)
    for number, image in enumerate(bytes_):
        row, column = divmod(number, across)
        top, left = row * height, column * width
        grid[top : top + x.shape[2], left : left + x.shape[3]] = image.transpose(1, 2, 0)
    return grid


def _png(grid: np.ndarray) -> str:
    file = io.BytesIO()
    imsave(file, grid, format="png")
    return base64.b64encode(file.getvalue()).decode("ascii")
