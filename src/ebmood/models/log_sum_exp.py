"""A logsumexp over many terms, of which the largest ones decide."""

import torch
from torch import Tensor

NEGLIGIBLE = -80.0
"""Terms below the largest one times exp(-80) do not change the sum. Smaller ones would be slow, denormal numbers."""


def log_sum_exp_(values: Tensor) -> Tensor:
    """Return `logsumexp(values, -1)` in the dtype of `values`: `(..., K) -> (...)`. Values may be minus infinity.

    Without gradients, `values` are overwritten, because a second array of this size would take a fifth of the time.
    """
    largest = values.amax(-1, keepdim=True).clamp(min=torch.finfo(values.dtype).min)
    difference = values - largest if values.requires_grad else values.sub_(largest)
    # Float32 is precise enough for differences.
    log_sum = difference.to(torch.float32).clamp_(min=NEGLIGIBLE).exp_().sum(-1).log_()
    return log_sum.to(values.dtype) + largest.squeeze(-1)
