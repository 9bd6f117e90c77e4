"""Convolutions and linear layers in bfloat16, by choice, where nothing is learnt from a pass."""

from contextlib import AbstractContextManager
from typing import Literal

import torch

Precision = Literal["bf16"]


def reduced(precision: Precision | None, device: torch.device) -> AbstractContextManager[object]:
    """A context in which torch computes in `precision` where that is sound (autocast); None changes nothing.

    It keeps eight bits of every number in a product and sums in float32. Weights stay as they are; what comes out may
    be bfloat16.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
