"""Columns of any unit with comparable spread and light tails.

A column is divided by its standard deviation, or by a sixth of its span where that is larger. Without the second rule,
a column that rarely changes (a pixel in a corner, a counter of rare events) would dominate the distances when it does.
Columns that share a unit, such as the pixels of an image, keep their proportions: all are divided by one number. An
arcsinh then compresses the tails: `scaled = 3 arcsinh(x / (3 scale))`, which is close to `x / scale` near the center.
"""

import math
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ebmood.models.views.one_unit import columns_share_unit
from ebmood.models.views.view import (
    MAX_COORDINATE,
    ScaledView,
    constant_scales,
    leave_out_deviations,
    varies,
)

BULK_MARGIN = 3.0
"""Values further outside the central 98 % than this many times its width do not affect the scale."""

ARCSINH_START = 3.0
"""The arcsinh compresses noticeably from this many scales on."""

MAX_SPAN = 6.0
"""The span of a scaled training column is at most this."""


class Robust(ScaledView):
    """Columns of comparable spread with light tails; see the module's docstring."""

    name = "robust"
    center: Tensor
    scale: Tensor
    mean: Tensor
    spread: Tensor

    def __init__(self, columns: int, rows: int):
        super().__init__(columns, rows)
        self._add(
            center=torch.zeros(columns),
            scale=torch.ones(columns),
            mean=torch.zeros(columns),
            spread=torch.ones(columns),
        )

    def fit(self, x: Tensor) -> Self:
        """Set centres and scales of the columns of `(N, P)`."""
        vary, constant = varies(x).numpy(), constant_scales(x).numpy()
        values = x.numpy()
        median = np.median(values, axis=0)
        low, high = np.quantile(values, [0.01, 0.99], axis=0)
        # A few extreme values must not determine the scale. A column that is nearly constant is not clipped.
        margin = np.where(high > low, BULK_MARGIN * (high - low), np.inf)
        inner = np.clip(values, low - margin, high + margin) - median
        size = np.maximum(np.abs(inner).max(axis=0), 1e-290)  # avoids overflow and underflow in the moments
        deviation = np.where(vary, (inner / size).std(axis=0) * size, constant)
        deviation = np.maximum(deviation, np.maximum(np.abs(median) * 1e-12, 1e-290))
        if vary.sum() > 1 and columns_share_unit(values[:, vary]):
            largest = deviation[vary].max()
            scale = np.full_like(deviation, largest * math.sqrt(np.mean((deviation[vary] / largest) ** 2)))
        else:
            scale = np.where(vary, np.maximum(deviation, np.ptp(inner, axis=0) / MAX_SPAN), constant)
        self.center.copy_(torch.from_numpy((inner / size).mean(axis=0) * size + median))
        self.scale.copy_(torch.from_numpy(scale))
        compressed = self._compress(torch.from_numpy(inner + median))
        # The spread that the arcsinh removed is restored. The division by `scale` stays.
        spread = compressed.std(0, correction=0) * torch.from_numpy(scale / deviation)
        self.mean.copy_(compressed.mean(0))
        self.spread.copy_(torch.where(spread > 1e-9, spread, 1.0))
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Scale rows: `(N, P) -> (N, P)`. Each column is monotone."""
        return self._compress(x).sub_(self.mean).mul_(1 / self.spread)

    def leave_out_scales(self, coordinates: Tensor) -> Tensor:
        """Return the standard deviations without each row, after the compression; see `ScaledView`."""
        return leave_out_deviations(coordinates)

    def _compress(self, x: Tensor) -> Tensor:
        u = (x - self.center).mul_(1 / (ARCSINH_START * self.scale)).clamp_(-MAX_COORDINATE, MAX_COORDINATE)
        # arcsinh written out: torch.arcsinh takes six times as long.
        return u.square().add_(1).sqrt_().add_(u.abs()).log_().mul_(u.sign_()).mul_(ARCSINH_START)
