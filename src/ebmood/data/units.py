"""Bytes on disk and in arrays, floats in [-1, 1] in models: the one place where images change units."""

import numpy as np
import torch
from torch import Tensor


def model_units(x: Tensor) -> Tensor:
    """What a network or a model sees of `x`: bytes become float32 `x / 127.5 - 1` in [-1, 1].

    Args:
        x: images as uint8, any shape; or floats, which are in model units already and come back untouched.
    """
    return x.to(torch.float32) / 127.5 - 1 if x.dtype == torch.uint8 else x


def model_rows(x: np.ndarray) -> Tensor:
    """Rows of any kind, as float32 on the CPU, as models see them: `(N, *shape)` -> the same.

    Args:
        x: bytes of images, which may be mapped from the disk, or floats in model units.
    """
    return model_units(torch.from_numpy(np.array(x))).to(torch.float32)
