"""The interface of views, and what they share."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from ebmood.models.memory import squared_distances
from ebmood.models.views.one_unit import columns_share_unit

MAX_COORDINATE = 1e15
"""Coordinates are clipped to plus and minus this value, so that squared distances of rows at 1e300 are finite."""

SMALLEST_SCALE = 1e-3
"""Smallest multiple of a scale, for a column that is constant without the row that is left out."""


class View(nn.Module, ABC):
    """A transformation of the numeric columns of a table, fitted to training rows. Its results are float64.

    All fitted numbers are buffers, whose sizes depend on the arguments only, so that `load_state_dict` restores a view.

    Args:
        columns: number of numeric columns P.
        rows: number of training rows N that `fit` receives. If it receives more, a view may store a summary of them
            whose size is that for N rows.
    """

    name: ClassVar[str]
    needs_one_unit: ClassVar[bool] = False
    """Whether the view makes sense only if all columns are measured on one scale, such as pixels."""
    for_features: ClassVar[bool] = False
    """Whether the view is for the features of a network; see `ebmood.models.views.features`."""
    for_one_unit: ClassVar[bool] = False
    """Whether the view is among those for tables of numbers that are all measured on one scale."""
    takes_categories: ClassVar[bool] = False
    """Whether categories and gaps add to the distances of this view. If they did in all views, they would hide faults
    of numbers."""

    before: "View | None"
    """The view to whose results this one is applied, or None."""

    def __init__(self, columns: int, rows: int):
        super().__init__()
        self.before = None

    @abstractmethod
    def fit(self, x: Tensor) -> Self:
        """Fit the view to finite training rows `(N, P)`, and return it."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Transform finite rows: `(N, P) -> (N, E)`."""

    def after(self, x: Tensor) -> Tensor:
        """Transform rows in the view `before`: `(N, P) -> (N, E)`. Without such a view this is `forward`."""
        return self(x)

    def leave_out(self, coordinates: Tensor, part: slice, points: Tensor | None = None) -> Tensor:
        """Return squared distances of training rows to points, as if the view had been fitted without the row.

        Args:
            coordinates: `(M, E)`, all training rows in this view.
            part: the m rows to compare, for example those of one class.
            points: `(K, E)` points in this view; None for the m rows themselves.

        Returns:
            `(m, K)`, from the row that is left out to the points. The default is for views that one row hardly changes.
        """
        return squared_distances(coordinates[part], coordinates[part] if points is None else points)

    def _add(self, **buffers: Tensor) -> None:
        for name, value in buffers.items():
            self.register_buffer(name, value.to(torch.float64))


class ScaledView(View):
    """A view in which the scale of each column depends on its training values."""

    @abstractmethod
    def leave_out_scales(self, coordinates: Tensor) -> Tensor:
        """Return the scale that each column would have without each row, as a multiple of its scale: `(M, E)`."""

    def leave_out(self, coordinates: Tensor, part: slice, points: Tensor | None = None) -> Tensor:
        """Return squared distances with the scales that the columns have without the row; see `View.leave_out`."""
        mean = coordinates.mean(0)
        centred = coordinates - mean
        rows, squares = centred[part], centred[part].square()
        others = rows if points is None else points - mean
        weights = self.leave_out_scales(coordinates)[part].clamp(min=SMALLEST_SCALE).square().reciprocal()
        # sum_c w_ic (u_ic - v_jc)^2, as three matrix products
        squared = (weights * squares).sum(1)[:, None] + weights @ others.square().mT
        return squared.sub_(2 * (weights * rows) @ others.mT).clamp_(min=0)


def leave_out_deviations(coordinates: Tensor) -> Tensor:
    """Return the standard deviations without each row, as multiples of those of all rows: `(M, E) -> (M, E)`."""
    count = len(coordinates)
    squares = (coordinates - coordinates.mean(0)).square()
    total = squares.sum(0)
    without = (total - squares * (count / (count - 1))) / max(count - 1, 1)
    return torch.where(total > 0, (without * count / total).clamp(min=0).sqrt(), 1.0)


class AffineView(ScaledView):
    """A view that subtracts a centre from each column and divides by a scale: `(x - center) / scale`."""

    center: Tensor
    scale: Tensor

    def __init__(self, columns: int, rows: int):
        super().__init__(columns, rows)
        self._add(center=torch.zeros(columns), scale=torch.ones(columns))

    def forward(self, x: Tensor) -> Tensor:
        """Return `(x - center) / scale`: `(N, P) -> (N, P)`."""
        return (x - self.center).mul_(1 / self.scale).clamp_(-MAX_COORDINATE, MAX_COORDINATE)

    def leave_out_scales(self, coordinates: Tensor) -> Tensor:
        """Return the standard deviations without each row; see `ScaledView`."""
        return leave_out_deviations(coordinates)


SMALLEST_SIZE = 1e-290
"""Smaller values count as zero."""

SMALLEST_SHARE = 0.25
"""Smallest range of a column, as a share of the common range, if all columns are measured on one scale."""


def common_range(x: Tensor) -> float:
    """Return the range of all values if all columns of `(N, P)` appear to be measured on one scale, and else zero."""
    varying = x[:, varies(x)]
    shared = varying.shape[1] > 0 and columns_share_unit(varying.numpy())
    return float(varying.max() - varying.min()) if shared else 0.0


def constant_scales(x: Tensor) -> Tensor:
    """Return the scales of columns that are constant: `(N, P) -> (P,)`.

    If all columns appear to be measured on one scale, it is their common range. Otherwise it is as if one row in N had
    moved by the size of its value, or by one if its value is zero, which has no unit.
    """
    return _scales_of_constants(x[0], len(x), common_range(x))


def range_scales(low: Tensor, high: Tensor, rows: int, common: float) -> Tensor:
    """Return the widths of ranges, and for constant columns their `constant_scales`: `(P,)`.

    If all columns are measured on one scale, a range counts as at least a quarter of the common one. A pixel that is
    dark in nearly all training rows then has not much more weight than one in the middle.

    Args:
        low: `(P,)` the lowest value of each column.
        high: `(P,)` the highest value of each column.
        rows: number of rows.
        common: the `common_range` of the rows.
    """
    vary = varies(torch.stack([low, high]))
    return torch.where(
        vary, (high - low).clamp(min=SMALLEST_SHARE * common), _scales_of_constants(low, rows, common)
    )


def _scales_of_constants(values: Tensor, rows: int, common: float) -> Tensor:
    if common:
        return torch.full_like(values, common)
    sizes = values.abs()
    return torch.where(sizes > SMALLEST_SIZE, sizes, 1.0) / math.sqrt(rows)


def varies(x: Tensor) -> Tensor:
    """Return which columns vary by more than the rounding errors of their values: `(N, P) -> (P,)`."""
    low, high = x.amin(0), x.amax(0)
    largest = torch.maximum(low.abs(), high.abs())
    return high / 2 - low / 2 > (largest * 1e-12).clamp(min=SMALLEST_SIZE)
