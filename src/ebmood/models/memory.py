"""The memory energy: a kernel density of the training rows in which every row has a bandwidth of its own.

    E(x) = -log sum_i h_i^(-w q) exp(-|x - x_i|^2 / (2 h_i^2)),    h_i = c max(d_k(i), f median_j d_k(j))

d_k(i) is the distance from training row i to its k-th nearest training row, and the median is over positive d_k. q is
the intrinsic dimension of the rows (Levina and Bickel 2004). For w = 1 and q the number of columns, this is a variable
kernel density estimate (Breiman, Meisel and Purcell 1977), up to a constant. For one bandwidth and rows of equal norm,
it is the energy of a modern Hopfield network (Ramsauer et al. 2021).

The relative distance compares a row with its neighbours:

    R(x) = log m(x) - a log mean_{i in N_k(x)} m(i),    m(x) = mean distance to the k nearest training rows

N_k(x) also holds all rows that are as near as the k-th one. R is high for a row that is isolated in comparison with its
neighbours, in the manner of the local outlier factor (Breunig et al. 2000), where a = 1.

Both are computed from squared distances alone. The leave-one-out energies of the training rows come from their
distances to each other, with infinity on the diagonal.
"""

import math
from typing import Self

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ebmood.core.settings import NonNegative, Positive, Settings
from ebmood.models.log_sum_exp import log_sum_exp_

DIMENSION_NEIGHBOURS = 10
"""Neighbours from which the intrinsic dimension is estimated."""

MAX_DIMENSION = 50.0

TINY = 1e-6
"""Added to distances before logarithms of their ratios, because duplicates have distance zero."""

ROUNDING = 1e-7
"""Distances below this fraction of the largest one are rounding errors."""

TIED = 1e-9
"""Squared distances that differ by less than this fraction are equal."""

TIE = 1e-3
"""Added to mean distances before logarithms, as a fraction of the median."""


NEGLIGIBLE = 1e-3
"""Distances of new rows below this fraction of `TIE` are rounding errors, which the logarithm would magnify."""


class MemorySettings(Settings):
    """Settings of the memory energy and of the relative distance; the formulas are in the module's docstring.

    Attributes:
        neighbours: k.
        bandwidth: c.
        smallest_bandwidth: f.
        power: w.
        compare: a.
    """

    neighbours: PositiveInt = 5
    bandwidth: Positive = 0.4
    smallest_bandwidth: NonNegative = 0.1
    power: NonNegative = 0.5
    compare: NonNegative = 0.4


def squared_distances(x: Tensor, rows: Tensor) -> Tensor:
    """Return the squared Euclidean distances between rows: `(N, D), (M, D) -> (N, M)` in float64, at least zero.

    Both should be centred near zero, because the distances are differences of squares.
    """
    squares = rows.square().sum(1)
    distances = torch.addmm(squares, x, rows.mT, alpha=-2.0)
    return distances.add_(x.square().sum(1)[:, None]).clamp_(min=0)


class MemoryEnergy(nn.Module):
    """The memory energy of rows, from their squared distances to M training rows.

    Args:
        rows: M.

    Attributes:
        log_weights: `(M,)`, `-w q log h_i`.
        precisions: `(M,)`, `1 / (2 h_i^2)`.
    """

    log_weights: Tensor
    precisions: Tensor

    def __init__(self, rows: int):
        super().__init__()
        self.register_buffer("log_weights", torch.zeros(rows, dtype=torch.float64))
        self.register_buffer("precisions", torch.full((rows,), 0.5, dtype=torch.float64))

    def fit(self, squared: Tensor, settings: MemorySettings) -> Self:
        """Set the bandwidths.

        Args:
            squared: `(M, M)` squared distances between training rows, with infinity on the diagonal.
            settings: k, c, f and w.
        """
        count = min(max(DIMENSION_NEIGHBOURS, settings.neighbours), len(squared) - 1)
        nearest = squared.topk(count, largest=False).values.sqrt_()
        nearest[nearest < rounding_error(squared)] = 0.0
        distances = nearest[:, min(settings.neighbours, count) - 1]
        typical = _median_of_positive(distances)
        bandwidths = settings.bandwidth * distances.clamp(min=settings.smallest_bandwidth * typical)
        dimension = intrinsic_dimension(nearest[:, :DIMENSION_NEIGHBOURS])
        self.log_weights.copy_(-settings.power * dimension * bandwidths.log())
        self.precisions.copy_(0.5 / bandwidths.square())
        return self

    def forward(self, squared: Tensor) -> Tensor:
        """Return the energies: squared distances `(N, M)` to `(N,)`."""
        return -log_sum_exp_(torch.addcmul(self.log_weights, squared, self.precisions, value=-1.0))


class RelativeDistance(nn.Module):
    """The relative distance of rows, from their squared distances to M training rows.

    Args:
        rows: M.
        settings: k and a.

    Attributes:
        means: `(M,)`, m(i) of the training rows.
        tie: a small distance that is added before logarithms.
    """

    means: Tensor
    tie: Tensor

    def __init__(self, rows: int, settings: MemorySettings):
        super().__init__()
        self.settings = settings
        self.register_buffer("means", torch.ones(rows, dtype=torch.float64))
        self.register_buffer("tie", torch.ones((), dtype=torch.float64))

    def fit(self, squared: Tensor) -> Self:
        """Set the mean distances of the training rows: `(M, M)` squared distances with infinity on the diagonal."""
        count = min(self.settings.neighbours, len(squared) - 1)
        nearest = squared.topk(count, largest=False).values.sqrt_()
        nearest[nearest < rounding_error(squared)] = 0.0
        self.means.copy_(nearest.mean(1))
        self.tie.fill_(TIE * _median_of_positive(self.means))
        return self

    def forward(self, squared: Tensor) -> Tensor:
        """Return the relative distances: squared distances `(N, M)` to `(N,)`."""
        # A row that is left out is at infinity, so it must not be among the nearest: M - 1 of M are finite.
        count = min(self.settings.neighbours, max(1, len(self.means) - 1))
        nearest = squared.topk(min(count + 1, len(self.means)), largest=False)
        values = nearest.values[:, :count]
        farthest = values[:, -1:] * (1 + TIED) + self.tie.square()
        mean = torch.where(values < (NEGLIGIBLE * self.tie).square(), 0.0, values).sqrt().mean(1)
        if torch.compiler.is_compiling():
            around = self._mean_within(squared, farthest)
        else:
            around = self.means[nearest.indices[:, :count]].mean(1)
            # All rows as near as the k-th one are neighbours, so that ties do not depend on the order of rows.
            tied = (nearest.values[:, -1] <= farthest[:, 0]).nonzero()[:, 0]
            around[tied] = self._mean_within(squared[tied], farthest[tied])
        return (mean + self.tie).log() - self.settings.compare * (around + self.tie).log()

    def _mean_within(self, squared: Tensor, farthest: Tensor) -> Tensor:
        """Return the mean of m over all training rows that are not farther than `farthest` `(N, 1)`: `(N,)`."""
        is_near = squared <= farthest
        return torch.where(is_near, self.means, 0.0).sum(1) / is_near.sum(1)


def intrinsic_dimension(distances: Tensor) -> float:
    """Return the maximum-likelihood estimate of the dimension of the rows, from 1 to 50 (Levina and Bickel 2004).

    Args:
        distances: `(N, K)` distances of rows to their K nearest other rows, ascending.
    """
    if distances.shape[1] < 2:
        return 1.0
    shifted = (distances + TINY).log()
    mean_ratio = float((shifted[:, -1:] - shifted[:, :-1]).mean())
    return min(max(1 / max(mean_ratio, 1e-9), 1.0), MAX_DIMENSION)


def rounding_error(squared: Tensor) -> float:
    """Return a distance below which two rows count as equal, because squared distances are differences of squares."""
    finite = torch.where(squared < math.inf, squared, 0.0)  # a copy, which is much faster than a selection
    return ROUNDING * float(finite.max()) ** 0.5


def _median_of_positive(distances: Tensor) -> float:
    positive = distances[distances > 0]
    return float(positive.median()) if len(positive) else 1.0


def leave_one_out(squared: Tensor) -> Tensor:
    """Return squared distances between training rows `(M, M)` with infinity on the diagonal, in place."""
    return squared.fill_diagonal_(math.inf)
