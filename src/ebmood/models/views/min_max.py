"""Each column divided by the width of its training range."""

from typing import Self

import torch
from torch import Tensor

from ebmood.models.views.view import SMALLEST_SHARE, AffineView, common_range, range_scales


class MinMax(AffineView):
    """`(x - middle) / (max - min)`, for each column. With categories, distances are like those of Gower (1971).

    If all columns are measured on one scale, no range is smaller than a quarter of the common one (`range_scales`).
    """

    name = "min-max"
    takes_categories = True
    _smallest: Tensor  # for each column the smallest range, in units of the scale; only a fit needs it

    def fit(self, x: Tensor) -> Self:
        """Set the middles and the widths of the columns of `(N, P)`."""
        low, high = x.amin(0), x.amax(0)
        self.center.copy_(low / 2 + high / 2)
        self.scale.copy_(range_scales(x, low, high))
        self._smallest = SMALLEST_SHARE * common_range(x) / self.scale
        return self

    def leave_out_scales(self, coordinates: Tensor) -> Tensor:
        """Return the ranges without each row; see `ScaledView`. Only the extreme rows of a column change its range."""
        ends = coordinates.sort(0).values
        first, second, before_last, last = (
            ends[0],
            ends[min(1, len(ends) - 1)],
            ends[-min(2, len(ends))],
            ends[-1],
        )
        smallest = self._smallest
        width = torch.where(coordinates == last, before_last, last) - torch.where(
            coordinates == first, second, first
        )
        width = torch.maximum(width, smallest)
        return torch.where(last > first, width / (last - first).clamp(min=1e-290).maximum(smallest), 1.0)
