"""Convolutions and linear layers in bfloat16, by choice, where nothing is learnt from a pass."""

import logging
from contextlib import AbstractContextManager
from functools import cache
from typing import Literal

import torch

Precision = Literal["bf16"]

log = logging.getLogger(__name__)


def reduced(precision: Precision | None, device: torch.device) -> AbstractContextManager[object]:
    """A context in which torch computes in `precision` where that is sound (autocast); None changes nothing.

    It keeps eight bits of every number in a product and sums in float32. Weights stay as they are; what comes out may
    be bfloat16. A processor that cannot multiply in bfloat16 would imitate it, some twenty times slower than float32:
    there the context changes nothing either, and one logged line says so.
    """
    enabled = precision == "bf16" and multiplies_in_bf16(device.type)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


@cache
def multiplies_in_bf16(device: str) -> bool:
    """Whether a kind of device does, by torch's own test of the processor; one line is logged if not."""
    if device != "cpu" or (
        torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    ):
        return True
    log.warning("this processor does not multiply in bfloat16: computing in float32, which is faster here")
    return False
