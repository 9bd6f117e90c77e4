"""The radial flow of the paper (Rezende & Mohamed 2015, "Variational inference with normalizing flows", eq. 14).

Each layer moves points along the ray from a learnt centre z0:

    f(z) = z + beta h(r) (z - z0),    r = |z - z0|,   h(r) = 1 / (alpha + r)
    log |det df/dz| = (D - 1) log(1 + beta h) + log(1 + beta h + beta h'(r) r),   h'(r) = -1 / (alpha + r)^2

with alpha > 0 and beta >= -alpha, which keeps every layer invertible (appendix A.2). The layers map from the data to
the base, `log p(x) = log N(f_L(...f_1(x)); 0, I) + sum of log-determinants`, so that the density is exact in one
pass.
"""

import math
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn.functional import softplus

from ebmood.data.dataset import Split
from ebmood.models.density import DensityModel, ModelSettings


class RadialFlow(DensityModel):
    """A stack of L radial layers over a standard normal base.

    The parameters of all layers are three tensors: `centre` `(L, D)`, `raw_alpha` `(L,)` and `raw_beta` `(L,)`, with
    `alpha = softplus(raw_alpha)` and `beta = softplus(raw_beta) - alpha`.

    Args:
        features: D.
        layers: L.
    """

    normalised = True

    def __init__(self, features: int, layers: int):
        super().__init__()
        bound = 1 / math.sqrt(features)
        drawn = torch.stack([torch.empty(features + 2).uniform_(-bound, bound) for _ in range(layers)])
        self.centre = nn.Parameter(drawn[:, :-2].clone())
        self.raw_alpha = nn.Parameter(drawn[:, -2].clone())
        self.raw_beta = nn.Parameter(drawn[:, -1].clone())

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the base points and the log-determinant of the Jacobian: `(N, D) -> (N, D), (N,)`."""
        z, log_det = x, x.new_zeros(len(x))
        for centre, raw_alpha, raw_beta in zip(self.centre, self.raw_alpha, self.raw_beta, strict=True):
            alpha = softplus(raw_alpha)
            beta = softplus(raw_beta) - alpha
            r = torch.linalg.vector_norm(z - centre, dim=1, keepdim=True)
            h = 1 / (alpha + r)
            h_prime = -1 / (alpha + r) ** 2
            along = torch.log1p(beta * h + beta * h_prime * r)
            across = torch.log1p(beta * h)
            log_det = log_det + ((x.shape[1] - 1) * across + along)[:, 0]
            z = z + beta * h * (z - centre)
        return z, log_det

    def log_density(self, x: Tensor) -> Tensor:
        """Return `log p(x)` in nats: `(N, D) -> (N,)`."""
        z, log_det = self.transform(x)
        return log_det - 0.5 * z.square().sum(1) - 0.5 * x.shape[1] * math.log(2 * math.pi)


class Radial(ModelSettings):
    """Settings of the radial flow.

    Attributes:
        layers: number of layers; the paper has 20.
    """

    kind: Literal["radial"] = "radial"
    layers: PositiveInt = 20

    @property
    def is_normalised(self) -> bool:
        """Implement `ModelSettings.is_normalised`."""
        return True

    def build(self, split: Split, outputs: int) -> RadialFlow:
        """Implement `ModelSettings.build`."""
        return RadialFlow(split.train_x.shape[1], self.layers)
