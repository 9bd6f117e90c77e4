"""The radial flow of the paper.

(Rezende & Mohamed 2015, "Variational inference with normalizing flows", eq. 14.)

Each layer moves points along the ray from a learnt centre z0:

    f(z) = z + beta h(r) (z - z0),    r = |z - z0|,   h(r) = 1 / (alpha + r)
    log |det df/dz| = (D - 1) log(1 + beta h) + log(1 + beta h + beta h'(r) r),   h'(r) = -1 / (alpha + r)^2

with alpha > 0 and beta >= -alpha, which keeps every layer invertible (appendix A.2). The layers run from the
data to the base, `log p(x) = log N(f_L(...f_1(x)); 0, I) + sum of log-determinants`, so that the density is
exact in one pass.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ebmood.datasets.dataset import Split
from ebmood.models.density import DensityModel, ModelSettings


class RadialLayer(nn.Module):
    """One radial transformation of `features` dimensions."""

    def __init__(self, features: int):
        super().__init__()
        bound = 1 / math.sqrt(features)
        self.centre = nn.Parameter(torch.empty(features).uniform_(-bound, bound))
        self.raw_alpha = nn.Parameter(torch.empty(()).uniform_(-bound, bound))
        self.raw_beta = nn.Parameter(torch.empty(()).uniform_(-bound, bound))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """`(N, D) -> (N, D), (N,)`: the moved points and the log-determinant of the Jacobian."""
        alpha = softplus(self.raw_alpha)
        beta = softplus(self.raw_beta) - alpha
        away = z - self.centre
        # The gradient of a norm at zero is undefined; a point on the centre stays there in any case.
        r = away.square().sum(1, keepdim=True).clamp_min(1e-24).sqrt()
        h = 1 / (alpha + r)
        stretch = 1 + beta * h
        along = stretch - beta * h.square() * r
        log_det = (z.shape[1] - 1) * stretch.log() + along.log()
        return z + beta * h * away, log_det[:, 0]


class RadialFlow(DensityModel):
    """A stack of radial layers over a standard normal base."""

    normalised = True

    def __init__(self, features: int, layers: int):
        super().__init__()
        self.layers = nn.ModuleList([RadialLayer(features) for _ in range(layers)])

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(N, D) -> (N, D), (N,)`: base points, and the log-determinant of the whole Jacobian."""
        log_det = x.new_zeros(x.shape[0])
        for layer in self.layers:
            x, more = layer(x)
            log_det = log_det + more
        return x, log_det

    def log_density(self, x: Tensor) -> Tensor:
        """`log p(x)` in nats: `(N, D) -> (N,)`."""
        z, log_det = self.transform(x)
        return log_det - 0.5 * z.square().sum(1) - 0.5 * x.shape[1] * math.log(2 * math.pi)


class Radial(ModelSettings):
    """Settings of the radial flow; the paper's has 20 layers."""

    kind: Literal["radial"] = "radial"
    layers: int = 20

    def build(self, split: Split, outputs: int) -> RadialFlow:
        """See `ModelSettings.build`."""
        return RadialFlow(split.train_x.shape[1], self.layers)
