"""What networks expect of pixels: from bytes to the numbers on which a network was trained.

| range | formula | networks |
| :-- | :-- | :-- |
| `imagenet` | `(x / 255 - mean) / std`, with the mean and std of each channel over ImageNet | torchvision, timm |
| `unit` | `x / 255` | |
| `signed` | `(x - 127) / 128` | EfficientNet-Lite, TensorFlow |
| `bytes` | `x` | graphs that scale pixels themselves |

The constants of `signed` are those of EfficientNet-Lite (`MEAN_RGB = 127`, `STDDEV_RGB = 128`).
"""

import numpy as np
import torch
from torch import Tensor

from ebmood.embedders.embedder import Bytes, PixelRange

SCALES: dict[PixelRange, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "unit": ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),
    "signed": ((127.0, 127.0, 127.0), (128.0, 128.0, 128.0)),
    "bytes": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
"""What is subtracted from the bytes of each channel, and by what they are divided then."""


def scale_pixels(images: Bytes, pixels: PixelRange) -> Tensor:
    """Return images as a network expects them: `(n, 3, S, S)` bytes to float32.

    >>> scale_pixels(np.full((1, 3, 1, 1), 255, np.uint8), "unit").flatten()
    tensor([1., 1., 1.])
    """
    center, scale = (torch.tensor(values).reshape(1, 3, 1, 1) for values in SCALES[pixels])
    return (torch.from_numpy(np.ascontiguousarray(images)).float() - center) / scale
