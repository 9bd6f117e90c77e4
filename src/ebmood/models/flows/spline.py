"""A neural spline flow (Durkan et al. 2019) from zuko: today's strong flow for tables."""

from typing import Literal

import torch
import zuko
from torch import Tensor

from ebmood.data.dataset import Split
from ebmood.models.density import DensityModel, ModelSettings


class SplineFlow(DensityModel):
    """zuko's autoregressive rational-quadratic spline flow on standardised inputs.

    The splines bend on [-5, 5] and are the identity outside, so rows are standardised first by the training
    rows' mean and standard deviation; that affine map's log-determinant is part of the density.

    Args:
        flow: an unconditional zuko flow over D features.
        location, scale: `(D,)`, the affine map `z = (x - location) / scale`.
    """

    normalised = True
    location: Tensor
    scale: Tensor

    def __init__(self, flow: zuko.flows.Flow, location: Tensor, scale: Tensor):
        super().__init__()
        self.flow = flow
        self.register_buffer("location", location)
        self.register_buffer("scale", scale)

    def log_density(self, x: Tensor) -> Tensor:
        """`log p(x)` in nats: `(N, D) -> (N,)`."""
        z = (x - self.location) / self.scale
        return self.flow().log_prob(z) - self.scale.log().sum()


class Spline(ModelSettings):
    """Settings of the neural spline flow.

    Attributes:
        transforms: autoregressive layers.
        hidden: widths of each layer's conditioner.
        bins: segments of each spline.
    """

    kind: Literal["spline"] = "spline"
    transforms: int = 3
    hidden: tuple[int, ...] = (64, 64)
    bins: int = 8

    def build(self, split: Split, outputs: int) -> SplineFlow:
        """See `ModelSettings.build`."""
        train = torch.as_tensor(split.train_x)
        flow = zuko.flows.NSF(
            train.shape[1], transforms=self.transforms, hidden_features=self.hidden, bins=self.bins
        )
        # A constant column has no spread to divide by; it keeps its own unit.
        spread = train.std(0)
        return SplineFlow(flow, train.mean(0), torch.where(spread > 1e-6, spread, torch.ones_like(spread)))
