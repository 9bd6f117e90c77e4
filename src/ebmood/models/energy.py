"""Energy-based models: a network's logits read as a log-density.

With logits `f(x)` in R^K, the joint energy model (Grathwohl et al. 2020, "Your classifier is secretly an
energy based model") is

    log p(x, y) = f(x)[y] - log Z
    log p(x)    = F(x) - log Z,    F(x) = logsumexp_k f(x)[k] = -E(x)
    p(y | x)    = softmax f(x)

With K = 1 it is the plain energy model `log p(x) = f(x) - log Z`. Z is never computed.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ebmood.datasets.dataset import Split
from ebmood.models.density import DensityModel, ModelSettings
from ebmood.networks import MLP, PIECEWISE_LINEAR, Activation, input_gradient


class Slices(NamedTuple):
    """A log-density F at rows, and its derivatives, each `(N,)`, with gradients of the model's parameters.

    Attributes:
        log_density: F.
        curvature: `v' (d^2 F / dx^2) v`, or None where no v was given.
        square: `|grad F|^2 / 2`.
    """

    log_density: Tensor
    curvature: Tensor | None
    square: Tensor


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

    @property
    def flat(self) -> bool:
        """F is piecewise linear in x, so that it has no curvature anywhere: one logit of such a network."""
        return (
            bool(getattr(self.network, "piecewise_linear", False))
            and getattr(self.network, "outputs", 0) == 1
        )

    def log_density(self, x: Tensor) -> Tensor:
        """`F(x)`, which is `log p(x) + log Z`: `(N, *shape) -> (N,)`."""
        return log_density_of(self.network(x))

    def score(self, y: Tensor | None = None) -> Callable[[Tensor], Tensor]:
        """The function `x -> grad_x F(x)`, or with classes y `(N,)` `x -> grad_x f(x)[y]`.

        It takes `(N, *shape)` and gives the same, detached; the next call may overwrite the answer.
        """
        if y is None:
            return input_gradient(self.network, lambda logits: logits.softmax(1))
        chosen: list[Tensor] = []

        def indicator(logits: Tensor) -> Tensor:
            if not chosen:  # the same at every step of a chain
                chosen.append(one_hot(y, logits.shape[1]).to(logits.dtype))
            return chosen[0]

        return input_gradient(self.network, indicator)

    def slices(self, x: Tensor, v: Tensor | None) -> Slices:
        """What score matching and gradient penalties ask of rows `x` `(N, *shape)`.

        Args:
            x: rows; not differentiated.
            v: directions of the curvature, like x; None if it is not asked for.
        """
        if isinstance(self.network, MLP) and not self.network.batch_norm:
            return _in_closed_form(self.network, x, v)
        return self._by_autograd(x, v)

    def _by_autograd(self, x: Tensor, v: Tensor | None) -> Slices:
        x = x.detach().requires_grad_(True)
        log_density = self.log_density(x)
        (score,) = torch.autograd.grad(log_density.sum(), x, create_graph=True)
        square = 0.5 * score.square().flatten(1).sum(1)
        if v is None:
            return Slices(log_density, None, square)
        (product,) = torch.autograd.grad((score * v).sum(), x, create_graph=True)
        return Slices(log_density, (product * v).flatten(1).sum(1), square)


def _in_closed_form(network: MLP, x: Tensor, v: Tensor | None) -> Slices:
    found = network.lines(x, v, lambda logits: logits.softmax(1))
    share = found.value.softmax(1)
    # Held fixed, u makes of `u' grad F` what has the value of |u|^2 and the gradient of half of it.
    square = (share * found.across).sum(1) - 0.5 * found.u.square().sum(1)
    log_density = log_density_of(found.value)
    if v is None:
        return Slices(log_density, None, square)
    slope = found.slope
    assert slope is not None
    mean = (share * slope).sum(1)
    curvature = (share * slope.square()).sum(1) - mean.square()
    if found.bend is not None:
        curvature = curvature + (share * found.bend).sum(1)
    return Slices(log_density, curvature, square)


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
