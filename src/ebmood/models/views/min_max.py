"""Each column divided by the width of its training range."""

from typing import Self

import torch
from torch import Tensor

from ebmood.models.views.view import AffineView, constant_scales, varies


class MinMax(AffineView):
    """`(x - middle) / (max - min)`, for each column. With categories, distances are like those of Gower (1971)."""

    name = "min-max"
    takes_categories = True

    def fit(self, x: Tensor) -> Self:
        """Set the middles and the widths of the columns of `(N, P)`."""
        low, high = x.amin(0), x.amax(0)
        self.center.copy_(low / 2 + high / 2)
        self.scale.copy_(torch.where(varies(x), high - low, constant_scales(x)))
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
        width = torch.where(coordinates == last, before_last, last) - torch.where(
            coordinates == first, second, first
        )
        return torch.where(last > first, width / (last - first).clamp(min=1e-290), 1.0)
