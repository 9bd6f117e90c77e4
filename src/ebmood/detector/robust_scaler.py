"""Scale columns of any unit to comparable spread and light tails, and measure how far rows lie outside the data.

A column is divided by its standard deviation, or by a sixth of its span where that is larger. Without the second rule,
a column that rarely changes (a pixel in a corner, a counter of rare events) would dominate the scores when it does.
Columns that share a unit, such as the pixels of an image, keep their proportions: all are divided by one number. An
arcsinh then compresses the tails: `scaled = 3 arcsinh(x / (3 scale))`, which is close to `x / scale` near the center.
"""

import math
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

MAX_VALUE = 1e300  # larger training values are clipped to this
MAX_STANDARDIZED = 1e15  # standardized values are clipped to this, so that a row at 1e300 has a finite score
BULK_MARGIN = (
    3.0  # values further outside the central 98 % than this many times its width do not affect the scale
)
ARCSINH_START = 3.0  # the arcsinh compresses noticeably from this many scales on
MAX_SPAN = 6.0  # the span of a scaled training column is at most this
UNIT_CHECK_ROWS = 2_000  # rows that are used to count distinct values; evenly spaced, at most twice as many
MAX_DISTINCT = (
    256  # columns of one unit have at most this many distinct values: grey levels, grades, booleans
)


class RobustScaler(nn.Module):
    """Map raw columns to columns of comparable spread with light tails. The formula is in the module's docstring.

    The names of the buffers are part of the format of saved detectors.

    Args:
        features: number of columns D.
    """

    center: Tensor
    scale: Tensor
    mean: Tensor
    spread: Tensor
    middle: Tensor
    extent: Tensor

    def __init__(self, features: int):
        super().__init__()
        for name in ("center", "mean", "middle"):
            self.register_buffer(name, torch.zeros(features, dtype=torch.float64))
        for name in ("scale", "spread", "extent"):
            self.register_buffer(name, torch.ones(features, dtype=torch.float64))

    def fit(self, x: np.ndarray) -> Self:
        """Fit the scaler to training rows `(N, D)`, and return it."""
        x = np.clip(x, -MAX_VALUE, MAX_VALUE)
        median = np.median(x, axis=0)
        lowest, low, high, highest = np.quantile(x, [0, 0.01, 0.99, 1], axis=0)
        # A few extreme values must not determine the scale. A column that is nearly constant is not clipped.
        margin = np.where(high > low, BULK_MARGIN * (high - low), MAX_VALUE)
        inner = np.clip(x, low - margin, high + margin) - median
        size = np.maximum(np.abs(inner).max(axis=0), 1e-290)  # avoids overflow and underflow in the moments
        center = (inner / size).mean(axis=0) * size + median
        deviation = (inner / size).std(axis=0) * size
        tiny = np.maximum(np.abs(median) * 1e-12, 1e-290)
        # A constant column is treated as if one row in N had moved by the size of its value.
        constant_scale = np.maximum(np.abs(median), 1.0) / math.sqrt(len(x))
        varies = highest - lowest > tiny
        deviation = np.where(varies, np.maximum(deviation, tiny), constant_scale)
        if varies.sum() > 1 and columns_share_unit(x):
            largest = deviation[varies].max()
            scale = np.full_like(deviation, largest * math.sqrt(np.mean((deviation[varies] / largest) ** 2)))
        else:
            scale = np.where(varies, np.maximum(deviation, np.ptp(inner, axis=0) / MAX_SPAN), constant_scale)
        extent = np.where(varies, highest - lowest, constant_scale)
        self._set(center=center, scale=scale, middle=lowest / 2 + highest / 2, extent=extent)
        compressed = self._compress(torch.from_numpy(inner + median)).numpy().astype(np.float64)
        # The spread that the arcsinh removed is restored. The division by `scale` stays.
        spread = compressed.std(axis=0) * (scale / deviation)
        self._set(mean=compressed.mean(axis=0), spread=np.where(spread > 1e-9, spread, 1.0))
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Scale rows: `(N, D)` float64 to `(N, D)` float32. Each column is monotone.

        Raw values need float64 (milliseconds since 1970, for example); their distances from the center do not.
        """
        factor = 1 / self.spread
        return self._compress(x).mul_(factor.to(torch.float32)).sub_((self.mean * factor).to(torch.float32))

    def excess(self, x: Tensor) -> Tensor:
        """Return by how many training ranges rows lie outside, summed over columns: `(N, D)` to `(N,)`.

        A column counts from one range away from its middle, so rows slightly outside are left to the energies.
        """
        ranges = self._standardize(x, self.middle, self.extent)
        return ranges.abs_().sub_(1).clamp_(min=0).sum(1).to(torch.float64)

    def _compress(self, x: Tensor) -> Tensor:
        u = self._standardize(x, self.center, ARCSINH_START * self.scale)
        # arcsinh written out: torch.arcsinh takes six times as long.
        return u.square().add_(1).sqrt_().add_(u.abs()).log_().mul_(u.sign_()).mul_(ARCSINH_START)

    @staticmethod
    def _standardize(x: Tensor, center: Tensor, unit: Tensor) -> Tensor:
        """Return `(x - center) / unit` in float32, clipped to +-MAX_STANDARDIZED."""
        # Multiplication by the inverse takes half the time of a division.
        return (x - center).mul_(1 / unit).clamp_(-MAX_STANDARDIZED, MAX_STANDARDIZED).to(torch.float32)

    def _set(self, **values: np.ndarray) -> None:
        for name, value in values.items():
            getattr(self, name).copy_(torch.from_numpy(np.asarray(value, dtype=np.float64)))


def columns_share_unit(x: np.ndarray) -> bool:
    """Return whether the columns of `(N, D)` appear to be measured on one scale, as pixels are.

    This is so if all columns take few distinct values, each of them twice or more on average, and if most columns
    that vary span at least half of the whole range.

    >>> columns_share_unit(np.array([[0, 1], [1, 0], [1, 1], [0, 0]] * 5, dtype=float))
    True
    >>> columns_share_unit(np.array([[0, 170.5], [1, 182.1], [1, 163.0]]))
    False
    """
    spans = np.ptp(x, axis=0)
    spans = spans[spans > 0]
    if len(spans) < 2 or np.median(spans) < 0.5 * np.ptp(x):
        return False
    sample = x[:: max(1, len(x) // UNIT_CHECK_ROWS)]
    return len(np.unique(sample)) <= min(MAX_DISTINCT, sample.size // 2)
