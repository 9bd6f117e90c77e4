"""Energy-based models: a network's logits read as a log-density.

With logits `f(x)` in R^K, the joint energy model (Grathwohl et al. 2020, "Your classifier is secretly an
energy based model") is

    log p(x, y) = f(x)[y] - log Z
    log p(x)    = F(x) - log Z,    F(x) = logsumexp_k f(x)[k] = -E(x)
    p(y | x)    = softmax f(x)

With K = 1 it is the plain energy model `log p(x) = f(x) - log Z`. Z is never computed.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ebmood.datasets.dataset import Split
from ebmood.models.density import DensityModel, ModelSettings
from ebmood.networks import MLP, PIECEWISE_LINEAR, Activation, input_gradient


class EnergyModel(DensityModel):
    """A network whose logits are a log-density; see the module's head.

    Args:
        network: `(N, *shape) -> (N, K)`.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def logits(self, x: Tensor) -> Tensor:
        """`f(x)`: `(N, *shape) -> (N, K)`."""
        return self.network(x)

    def log_density(self, x: Tensor) -> Tensor:
        """`F(x)`, which is `log p(x) + log Z`: `(N, *shape) -> (N,)`."""
        return log_density_of(self.network(x))

    def score(self, y: Tensor | None = None) -> Callable[[Tensor], Tensor]:
        """The function `x -> grad_x F(x)`, or with classes y `(N,)` `x -> grad_x f(x)[y]`.

        It takes `(N, *shape)` and gives the same, detached; the next call may overwrite the answer.
        """

        def weights(logits: Tensor) -> Tensor:
            if y is not None:
                return one_hot(y, logits.shape[1]).to(logits.dtype)
            return logits.softmax(1)

        return input_gradient(self.network, weights)


def log_density_of(logits: Tensor) -> Tensor:
    """`logsumexp_k` of logits: `(N, K) -> (N,)`."""
    return logits[:, 0] if logits.shape[1] == 1 else torch.logsumexp(logits, dim=1)


class EnergyMLP(ModelSettings):
    """Settings of an energy model on an MLP.

    Attributes:
        hidden: widths of the hidden layers (the paper's: five of 100).
        activation: `leaky_relu` as published; a smooth one (`silu`, `softplus`) for score matching to work.
        slope: LeakyReLU's negative slope (the paper's: 0.01; 0.2 for VERA).
    """

    kind: Literal["energy-mlp"] = "energy-mlp"
    hidden: tuple[int, ...] = (100, 100, 100, 100, 100)
    activation: Activation = "leaky_relu"
    slope: float = 0.01

    def build(self, split: Split, outputs: int) -> EnergyModel:
        """See `ModelSettings.build`."""
        features = split.train_x.shape[1]
        return EnergyModel(MLP(features, self.hidden, outputs, self.activation, self.slope))

    @property
    def piecewise_linear(self) -> bool:
        """See `ModelSettings.piecewise_linear`."""
        return self.activation in PIECEWISE_LINEAR
