"""Grids of sample images, encoded as PNG in base64 so that a JSON record can hold them."""

import base64
import io
import math

import numpy as np
from matplotlib.image import imsave

GAP = 1
"""Pixels between two images of a grid."""


def sample_grids(samples: dict[str, np.ndarray]) -> dict[str, str]:
    """Return one PNG in base64 per set of samples. Sets that are not grey or colour images are skipped.

    Args:
        samples: by name, arrays `(N, C, H, W)` with values in [-1, 1]; other values are clipped.
    """
    return {
        name: _png(_grid(x)) for name, x in samples.items() if x.ndim == 4 and x.shape[1] in (1, 3) and len(x)
    }


def _grid(x: np.ndarray) -> np.ndarray:
    """Arrange images `(N, C, H, W)` in a nearly square grid of bytes `(height, width, 3)` on white."""
    columns = math.ceil(math.sqrt(len(x)))
    rows = math.ceil(len(x) / columns)
    height, width = x.shape[2] + GAP, x.shape[3] + GAP
    grid = np.full((rows * height - GAP, columns * width - GAP, 3), 255, np.uint8)
    pixels = np.round((np.clip(np.nan_to_num(x), -1, 1) + 1) * 127.5).astype(np.uint8)
    for number, image in enumerate(pixels):
        row, column = divmod(number, columns)
        y0, x0 = row * height, column * width
        grid[y0 : y0 + x.shape[2], x0 : x0 + x.shape[3]] = image.transpose(1, 2, 0)
    return grid


def _png(grid: np.ndarray) -> str:
    file = io.BytesIO()
    imsave(file, grid, format="png")
    return base64.b64encode(file.getvalue()).decode("ascii")
