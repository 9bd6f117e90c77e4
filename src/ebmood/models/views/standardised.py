"""Each column with mean 0 and standard deviation 1."""

from typing import Self

import torch
from torch import Tensor

from ebmood.models.views.view import AffineView, constant_scales, varies


class Standardised(AffineView):
    """`(x - mean) / standard deviation`, for each column."""

    name = "standardised"

    def fit(self, x: Tensor) -> Self:
        """Set the means and deviations of the columns of `(N, P)`."""
        size = x.abs().amax(0).clamp(min=1e-290)  # avoids overflow in the moments
        mean = (x / size).mean(0)
        deviation = (x / size - mean).square().mean(0).sqrt() * size
        self.center.copy_(mean * size)
        self.scale.copy_(torch.where(varies(x), deviation.clamp(min=1e-290), constant_scales(x)))
        return self
