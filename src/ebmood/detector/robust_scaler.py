"""Columns of any unit and any tail as columns of comparable spread with light tails, and how far out rows lie.

A column is divided by its standard deviation, or by a sixth of its span where that is more: a column that hardly ever
moves (a pixel in a corner, a counter of rare events) would else be the loudest when it does. Columns that share a unit,
as the pixels of an image do, keep their proportions: all are divided by one number.
"""

import math
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

HUGE = 1e300  # training values beyond count as this
WIDEST = 1e15  # standardised values are clipped here, so that a row at 1e300 still has a finite score
REACH = 3.0  # how far beyond the bulk of a column a value still counts in its scale, in widths of the bulk
BEND = 3.0  # divisors from which on the arcsinh bends columns noticeably
SPAN = 6.0  # a column's span is at most so many divisors
LOOKED_AT = 2_000  # rows, when the alphabet is counted; evenly spread, and at most twice as many
ALPHABET = 256  # columns of one unit have no more values between them: grey levels, grades, yes and no


class Columns(nn.Module):
    """Raw columns -> columns of comparable spread with light tails, and how far rows lie outside the ranges."""

    center: Tensor
    scale: Tensor
    mean: Tensor
    spread: Tensor
    middle: Tensor
    extent: Tensor

    def __init__(self, features: int):
        super().__init__()
        for name, value in {
            "center": 0,
            "scale": 1,
            "mean": 0,
            "spread": 1,
            "middle": 0,
            "extent": 1,
        }.items():
            self.register_buffer(name, torch.full((features,), float(value), dtype=torch.float64))

    def fit(self, x: np.ndarray) -> Self:
        """Take everything from training rows `(N, D)`."""
        x = np.clip(x, -HUGE, HUGE)
        median = np.median(x, axis=0)
        lowest, low, high, highest = np.quantile(x, [0, 0.01, 0.99, 1], axis=0)
        # A few values far out must not decide on the scale. Columns that are nearly always one value have no bulk.
        reach = np.where(high > low, REACH * (high - low), HUGE)
        inner = np.clip(x, low - reach, high + reach) - median
        size = np.maximum(np.abs(inner).max(axis=0), 1e-290)
        center = (inner / size).mean(axis=0) * size + median
        deviation = (inner / size).std(axis=0) * size
        # A column that never moved counts as if one row in N had moved by its own size.
        tiny = np.maximum(np.abs(median) * 1e-12, 1e-290)
        never = np.maximum(np.abs(median), 1.0) / math.sqrt(len(x))
        moved = highest - lowest > tiny
        deviation = np.where(moved, np.maximum(deviation, tiny), never)
        if moved.sum() > 1 and share_a_unit(x):
            most = deviation[moved].max()
            scale = np.full_like(deviation, most * math.sqrt(np.mean((deviation[moved] / most) ** 2)))
        else:
            scale = np.where(moved, np.maximum(deviation, np.ptp(inner, axis=0) / SPAN), never)
        self._take(center=center, scale=scale)
        self._take(middle=lowest / 2 + highest / 2, extent=np.where(moved, highest - lowest, never))
        bent = self._bent(torch.from_numpy(inner + median)).numpy().astype(np.float64)
        # What the bend took from the spread is given back; what the divisor did stays.
        spread = bent.std(axis=0) * (scale / deviation)
        self._take(mean=bent.mean(axis=0), spread=np.where(spread > 1e-9, spread, 1.0))
        return self

    def forward(self, x: Tensor) -> Tensor:
        """`(N, D)` float64 -> `(N, D)` float32, each column monotone, none of a spread much above 1 in training.

        Raw numbers need float64 (a clock's milliseconds since 1970, say); their distances from the middle do not.
        """
        per = 1 / self.spread
        return self._bent(x).mul_(per.to(torch.float32)).sub_((self.mean * per).to(torch.float32))

    def excess(self, x: Tensor) -> Tensor:
        """Training ranges by which a row lies outside, summed over columns: `(N, D) -> (N,)`.

        A column counts from one range off its middle, so that rows a little outside are left to the energies.
        """
        ranges = self._apart(x, self.middle, self.extent)
        return ranges.abs_().sub_(1).clamp_(min=0).sum(1).to(torch.float64)

    def _bent(self, x: Tensor) -> Tensor:
        u = self._apart(x, self.center, BEND * self.scale)
        # arcsinh by hand: torch's takes six times as long.
        return u.square().add_(1).sqrt_().add_(u.abs()).log_().mul_(u.sign_()).mul_(BEND)

    @staticmethod
    def _apart(x: Tensor, center: Tensor, unit: Tensor) -> Tensor:
        """How many units x lies off a center, as far as WIDEST, in float32. Divisions would take twice as long."""
        return (x - center).mul_(1 / unit).clamp_(-WIDEST, WIDEST).to(torch.float32)

    def _take(self, **values: np.ndarray) -> None:
        for name, value in values.items():
            getattr(self, name).copy_(torch.from_numpy(np.asarray(value, dtype=np.float64)))


def share_a_unit(x: np.ndarray) -> bool:
    """Whether the columns of `(N, D)` look like readings on one scale, as pixels do.

    They draw their values from one small alphabet, each value twice or more on average, and most of those that move
    span half of it or more.
    """
    spans = np.ptp(x, axis=0)
    spans = spans[spans > 0]
    if len(spans) < 2 or np.median(spans) < 0.5 * np.ptp(x):
        return False
    looked_at = x[:: max(1, len(x) // LOOKED_AT)]
    return len(np.unique(looked_at)) <= min(ALPHABET, looked_at.size // 2)
