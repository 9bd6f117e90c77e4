"""An energy anchored on a normalised density: the network learns only the difference to the base.

    log p(x, y) = log q(x, y) + f(x)[y] - log Z

(Gutmann & Hyvarinen 2012; residual energy models: Deng et al. 2020.) Far from the data, log q falls quadratically and a
network grows at most linearly, so p falls with q. Plain energy models have no such guarantee.
"""

from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ebmood.core.settings import NonNegative, Positive
from ebmood.data.dataset import Split
from ebmood.models.density import ModelSettings
from ebmood.models.energy import EnergyModel
from ebmood.models.mixture import TiedMixture
from ebmood.networks import MLP, Activation


class AnchoredEnergy(EnergyModel):
    """An energy model with logits `log q(x, y) + f(x)[y]`; the formula is in the module's docstring.

    Args:
        base: q; training does not change it.
        network: f, `(N, D) -> (N, C)` with one output for every class of `base`.
    """

    def __init__(self, base: TiedMixture, network: nn.Module):
        super().__init__(network)
        self.base = base

    def logits(self, x: Tensor) -> Tensor:
        """Return `log q(x, y) + f(x)[y]`: `(N, D) -> (N, C)`."""
        return self.base.class_log_density(x) + self.network(x)

    def value_and_grad(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Implement `EnergyModel.value_and_grad`. With one class, the score of the base has a closed form."""
        if self.base.classes > 1:
            return super().value_and_grad(x, y)
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            output = self.network(x)[:, 0]
            (gradient,) = torch.autograd.grad(output.sum(), x)
        x = x.detach()
        gradient = gradient + self.base.smoothed_score(x, self.base.variances.new_zeros(1))
        return output.detach() + self.base.log_density(x), gradient


class AnchoredMLP(ModelSettings):
    """Settings of an MLP anchored on a mixture of Gaussians that is fitted to the training rows.

    Attributes:
        components: Gaussians of the base, for every class; fewer for classes with few rows.
        floor: smallest variance of the base along any axis, in units of the scaled data.
        prior: shrinkage of the base's covariance towards a multiple of the identity, in pseudo-rows per column.
        hidden: widths of the network's hidden layers.
        activation: activation of the network.
    """

    kind: Literal["anchored-mlp"] = "anchored-mlp"
    components: Annotated[int, Field(ge=1)] = 32
    floor: Positive = 1e-4
    prior: NonNegative = 1.0
    hidden: tuple[PositiveInt, ...] = (100, 100)
    activation: Activation = "silu"

    def build(self, split: Split, outputs: int) -> AnchoredEnergy:
        """Implement `ModelSettings.build`. The network's output starts at zero, so p starts as the base."""
        rows = np.asarray(split.train_x, dtype=np.float64).reshape(len(split.train_x), -1)
        base = TiedMixture(rows.shape[1], self.components, outputs)
        seed = int(torch.randint(2**31, ()))
        base.fit(rows, None if outputs == 1 else split.train_y, self.floor, self.prior, seed)
        network = MLP(rows.shape[1], self.hidden, outputs, self.activation)
        for parameter in network.layers[-1].parameters():
            nn.init.zeros_(parameter)
        return AnchoredEnergy(base, network)
