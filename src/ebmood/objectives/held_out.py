"""A held-out loss that all densities share, whatever their objective and their normalising constant.

Held-out rows are contrasted with rows of a known density n, as in noise-contrastive estimation, and the constant of the
model is the best one:

    J = min_c  E_data [ log(1 + exp(-u - c)) ] + E_noise [ log(1 + exp(u + c)) ],    u = log p - log n

J is a proper score: its minimum over all p is at the density of the data. Unlike an estimate of the likelihood by
importance sampling, no single row of the noise decides it.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ebmood.core.seeding import torch_stream
from ebmood.models import DensityModel, TiedMixture

WIDEN = 2.0
"""Factor of the standard deviations of the wide half of the noise."""

ROWS_OF_NOISE = 8
"""Rows of noise for each held-out row."""


@torch.no_grad()
def held_out_contrast(model: DensityModel, base: TiedMixture, x: Tensor) -> Tensor:
    """Return J of held-out rows `(N, D)`, a scalar in nats, at least 0. A density equal to n has 2 log 2.

    One half of n is the base, and the other half is the base with twice its standard deviations. The rows of the noise
    are the same at every call.

    Args:
        model: a density up to a constant.
        base: the density from which the noise is made.
        x: held-out rows.
    """
    wide = base.widened(WIDEN)
    generator = torch_stream(0, "held-out contrast", x.device)
    half = ROWS_OF_NOISE * len(x) // 2
    noise = torch.cat([base.sample(half, generator), wide.sample(half, generator)]).to(x.dtype)
    rows = torch.cat([x, noise])
    log_n = torch.logaddexp(base.log_density(rows), wide.log_density(rows)) - math.log(2)
    u = model.log_density(rows).to(torch.float64) - log_n
    data, contrast = u[: len(x)], u[len(x) :]
    c = _best_constant(data, contrast)
    return softplus(-data - c).mean() + softplus(contrast + c).mean()


def _best_constant(data: Tensor, contrast: Tensor) -> Tensor:
    """Return the c of the smallest J by bisection of its derivative, which increases with c."""
    values = torch.cat([data, contrast])
    low, high = -values.max() - 50, -values.min() + 50
    for _ in range(60):
        c = (low + high) / 2
        derivative = (contrast + c).sigmoid().mean() - (-data - c).sigmoid().mean()
        low, high = torch.where(derivative < 0, c, low), torch.where(derivative < 0, high, c)
    return (low + high) / 2
