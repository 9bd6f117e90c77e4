"""A neural spline flow for tables (Durkan et al. 2019), from zuko."""

from typing import Literal

import torch
import zuko
from pydantic import PositiveInt
from torch import Tensor

from ebmood.data.dataset import Split
from ebmood.models.density import DensityModel, ModelSettings


class SplineFlow(DensityModel):
    """zuko's autoregressive rational-quadratic spline flow on standardised inputs.

    The splines are the identity outside of [-5, 5]. Rows are therefore standardised with the mean and the standard
    deviation of the training rows; the log-determinant of that affine map is part of the density.

    Args:
        flow: an unconditional zuko flow over D features.
        location: shift of the affine map `z = (x - location) / scale`, `(D,)`.
        scale: its scale, `(D,)`.
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
        """Return `log p(x)` in nats: `(N, D) -> (N,)`."""
        z = (x - self.location) / self.scale
        return self.flow().log_prob(z) - self.scale.log().sum()


class Spline(ModelSettings):
    """Settings of the neural spline flow.

    Attributes:
        transforms: number of autoregressive layers.
        hidden: widths of the hidden layers of each layer's conditioner.
        bins: segments of each spline.
    """

    kind: Literal["spline"] = "spline"
    transforms: PositiveInt = 3
    hidden: tuple[PositiveInt, ...] = (64, 64)
    bins: PositiveInt = 8

    @property
    def is_normalised(self) -> bool:
        """Implement `ModelSettings.is_normalised`."""
        return True

    def build(self, split: Split, outputs: int) -> SplineFlow:
        """Implement `ModelSettings.build`."""
        x = torch.as_tensor(split.train_x)
        flow = zuko.flows.NSF(
            x.shape[1], transforms=self.transforms, hidden_features=self.hidden, bins=self.bins
        )
        deviation = x.std(0)
        # Constant columns are only shifted.
        scale = torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation))
        return SplineFlow(flow, x.mean(0), scale)
