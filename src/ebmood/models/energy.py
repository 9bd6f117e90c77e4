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

from ebmood.datasets.dataset import Split
from ebmood.models.density import DensityModel, ModelSettings
from ebmood.networks import (
    MLP,
    PIECEWISE_LINEAR,
    Activation,
    InputGradients,
    WideResNet,
    along_gradient,
    input_gradient,
)


class Slices(NamedTuple):
    """A log-density F at rows, and what its derivatives come to, each `(N,)`.

    Attributes:
        log_density: F, with gradients of the model's parameters.
        matching: `v' (d^2 F / dx^2) v + |grad F|^2 / 2`, with gradients; without a v its second term alone.
        curvature: `v' (d^2 F / dx^2) v`, detached, or None where no v was given.
    """

    log_density: Tensor
    matching: Tensor
    curvature: Tensor | None


class EnergyModel(DensityModel):
    """A network whose logits are a log-density; see the module's head.

    Args:
        network: `(N, *shape) -> (N, K)`.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def expect(self, passes: int, rows: int) -> None:
        """See `DensityModel.expect`."""
        if isinstance(self.network, (MLP, WideResNet)):
            self.network.expect(passes, rows)

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

    def input_gradient(self, y: Tensor | None) -> InputGradients:
        """`x -> f(x)` and the gradient of F, or with classes y of `f(x)[y]`: see `ebmood.networks.input_gradient`."""
        return input_gradient(self.network, y)

    def score(self, y: Tensor | None = None) -> Callable[[Tensor], Tensor]:
        """The function `x -> grad_x F(x)`, or with classes y `(N,)` `x -> grad_x f(x)[y]`.

        It takes `(N, *shape)` and gives the same, detached; the next call may overwrite the answer.
        """
        gradient = self.input_gradient(y)
        return lambda x: gradient(x)[1]

    def climb(self, y: Tensor | None = None) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """The function of `score`, which also gives the log-density that it is the gradient of: `(N,)`, first.

        Both come from one pass forwards and one back.
        """
        gradient = self.input_gradient(y)

        def at(x: Tensor) -> tuple[Tensor, Tensor]:
            logits, found = gradient(x)
            return log_density_of(logits) if y is None else logits.gather(1, y[:, None])[:, 0], found

        return at

    def slices(self, x: Tensor, v: Tensor | None) -> Slices:
        """What score matching and gradient penalties ask of rows `x` `(N, *shape)`.

        Args:
            x: rows; not differentiated.
            v: directions of the curvature, like x; None if it is not asked for.
        """
        if isinstance(self.network, MLP) and not self.network.batch_norm:
            log_density, second, u = self.network.parabola(x, v)
            square = u.square().sum(1)
            # u counts as a constant: the second term has the value of |u|^2, and the gradient of half of it.
            curvature = None if v is None else second.detach() - square
            return Slices(log_density, second - 0.5 * square, curvature)
        if v is None and isinstance(self.network, WideResNet) and self.network.piecewise_linear:
            value, across, u = along_gradient(self.network, x)
            share = torch.ones_like(value) if value.shape[1] == 1 else value.softmax(1)
            # Likewise.
            half = (share * across).sum(1) - 0.5 * u.square().flatten(1).sum(1)
            return Slices(log_density_of(value), half, None)
        return self.slices_by_autograd(x, v)

    def slices_by_autograd(self, x: Tensor, v: Tensor | None) -> Slices:
        """The same of any network, by differentiating twice."""
        x = x.detach().requires_grad_(True)
        log_density = self.log_density(x)
        (score,) = torch.autograd.grad(log_density.sum(), x, create_graph=True)
        square = 0.5 * score.square().flatten(1).sum(1)
        if v is None:
            return Slices(log_density, square, None)
        (product,) = torch.autograd.grad((score * v).sum(), x, create_graph=True)
        curvature = (product * v).flatten(1).sum(1)
        return Slices(log_density, curvature + square, curvature.detach())


def log_density_of(logits: Tensor) -> Tensor:
    """`logsumexp_k` of logits: `(N, K) -> (N,)`."""
    return logits[:, 0] if logits.shape[1] == 1 else torch.logsumexp(logits, dim=1)


class EnergyMLP(ModelSettings):
    """Settings of an energy model on an MLP.

    Attributes:
        hidden: widths of the hidden layers (the paper's: five of 100).
        activation: `leaky_relu` as published; a smooth one (`silu`, `softplus`) for score matching to work.
        slope: LeakyReLU's negative slope (the paper's: 0.01; 0.2 for VERA).
        compiled: whether training on a CPU uses compiled passes (docs/performance.md), the same but for rounding, eager
            where no C++ compiler is found. None: where compiling costs less than it saves.
    """

    kind: Literal["energy-mlp"] = "energy-mlp"
    hidden: tuple[int, ...] = (100, 100, 100, 100, 100)
    activation: Activation = "leaky_relu"
    slope: float = 0.01
    compiled: bool | None = None

    def build(self, split: Split, outputs: int) -> EnergyModel:
        """See `ModelSettings.build`."""
        features = split.train_x.shape[1]
        return EnergyModel(
            MLP(features, self.hidden, outputs, self.activation, self.slope, compiled=self.compiled)
        )

    @property
    def piecewise_linear(self) -> bool:
        """See `ModelSettings.piecewise_linear`."""
        return self.activation in PIECEWISE_LINEAR
