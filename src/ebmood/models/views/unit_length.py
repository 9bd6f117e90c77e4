"""Each row divided by its length, so that distances compare directions. For the features of a network."""

from typing import Self

from torch import Tensor

from ebmood.models.views.raw import Raw
from ebmood.models.views.view import View

SMALLEST = 1e-30
"""Smallest divisor. It is not zero in float32, to which ONNX may convert it."""


class UnitLength(View):
    """`(x / |x| - mean) / s` with one s for all columns. The squared distance is proportional to `1 - cos` of two rows.

    The length of a feature vector often says how much an image contains (its contrast, its size in the frame) and not
    what it contains. The row 0 has no direction and stays 0 before the mean is subtracted.

    Args:
        columns: P.
        rows: N.
    """

    name = "unit-length"
    needs_one_unit = True
    for_features = True

    def __init__(self, columns: int, rows: int):
        super().__init__(columns, rows)
        self.center_and_scale = Raw(columns, rows)

    def fit(self, x: Tensor) -> Self:
        """Set the mean of the directions of `(N, P)`, and the common factor."""
        self.center_and_scale.fit(directions(x))
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Return scaled directions: `(N, P) -> (N, P)`."""
        return self.center_and_scale(directions(x))


def directions(x: Tensor) -> Tensor:
    """Return rows divided by their Euclidean length: `(N, P) -> (N, P)`. Rows below 1e-60 become zero or shorter."""
    # The largest value is divided out first, so that squares do not overflow.
    scaled = x / x.abs().amax(1, keepdim=True).clamp(min=SMALLEST)
    return scaled / scaled.square().sum(1, keepdim=True).sqrt().clamp(min=SMALLEST)
