"""The columns as they are, divided by one number. Only for columns that are measured on one scale."""

from typing import Self

import torch
from torch import Tensor

from ebmood.models.views.view import AffineView, constant_scales, varies


class Raw(AffineView):
    """`(x - mean) / s` with one s for all columns: the root of the mean variance of those that vary."""

    name = "raw"
    needs_one_unit = True
    for_one_unit = True

    def fit(self, x: Tensor) -> Self:
        """Set the means and the common factor of `(N, P)`."""
        size = x.abs().max().clamp(min=1e-290)
        mean = (x / size).mean(0)
        variances = (x / size - mean).square().mean(0)
        vary = varies(x)
        factor = variances[vary].mean().sqrt() * size if vary.any() else constant_scales(x).max()
        self.center.copy_(mean * size)
        self.scale.copy_(torch.full_like(self.scale, float(factor)).clamp(min=1e-290))
        return self

    def leave_out_scales(self, coordinates: Tensor) -> Tensor:
        """Return ones: one row hardly changes a factor that all columns share."""
        return torch.ones_like(coordinates)
