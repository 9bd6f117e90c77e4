"""The units of images: bytes on disk and in arrays, floats in [-1, 1] in models."""

import numpy as np
import torch
from torch import Tensor


def model_units(x: Tensor) -> Tensor:
    """Return inputs in the units of models: bytes become `x / 127.5 - 1` in [-1, 1], float32.

    Args:
        x: images as uint8, any shape; or floats, which are in model units already and are returned as they are.

    >>> model_units(torch.tensor([0, 255], dtype=torch.uint8))
    tensor([-1.,  1.])
    """
    return x.to(torch.float32) / 127.5 - 1 if x.dtype == torch.uint8 else x


def model_rows(x: np.ndarray) -> Tensor:
    """Return rows `(N, *shape)` of any type as a float32 tensor on the CPU, in model units.

    Args:
        x: images as bytes, which may be memory-mapped, or floats in model units.
    """
    return model_units(torch.from_numpy(np.array(x))).to(torch.float32)
