"""Optional bfloat16 convolutions and linear layers, for passes without gradients of parameters."""

import logging
from contextlib import AbstractContextManager
from functools import cache
from typing import Literal

import torch

Precision = Literal["bf16"]

log = logging.getLogger(__name__)


def autocast(precision: Precision | None, device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which torch computes in `precision`; None changes nothing.

    In bfloat16, the factors of products are rounded to eight significant bits; sums are float32. Weights do not change.
    Outputs may be bfloat16. On a processor without bfloat16 products, whose emulation is about twenty times slower than
    float32, the context changes nothing and logs one line.
    """
    enabled = precision == "bf16" and supports_bf16(device.type)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


@cache
def supports_bf16(device: str) -> bool:
    """Return whether a kind of device multiplies in bfloat16. Logs one line if it does not.

    Args:
        device: `cpu`, `cuda`, ...; for `cpu` torch tests the processor.
    """
    if device != "cpu" or (
        torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    ):
        return True
    log.warning("this processor does not multiply in bfloat16: computing in float32, which is faster here")
    return False
