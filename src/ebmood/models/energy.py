"""Energy-based models: the logits of a network, read as a log-density.

With logits `f(x)` in R^K, the joint energy model (Grathwohl et al. 2020, "Your classifier is secretly an energy based
model and you should treat it like one") is

    log p(x, y) = f(x)[y] - log Z
    log p(x)    = F(x) - log Z,    F(x) = logsumexp_k f(x)[k] = -E(x)
    p(y | x)    = softmax f(x)

With K = 1 it is the plain energy model `log p(x) = f(x) - log Z`. Z is never computed.
"""

from typing import Literal, NamedTuple

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ebmood.core.settings import NonNegative
from ebmood.data.dataset import Split
from ebmood.models.density import DensityModel, ModelSettings
from ebmood.networks import MLP, Activation, is_smooth


class ScoreMatchingTerms(NamedTuple):
    """A log-density F at N rows and the terms of score matching, each `(N,)`.

    Attributes:
        log_density: F, with gradients of the model's parameters.
        loss: `v' (d^2 F / dx^2) v + |grad F|^2 / 2` with gradients; only the second term if v is None.
        curvature: `v' (d^2 F / dx^2) v`, detached; zero if v is None.
    """

    log_density: Tensor
    loss: Tensor
    curvature: Tensor


class EnergyModel(DensityModel):
    """A network whose logits are a log-density; the formulas are in the module's docstring.

    Args:
        network: `(N, *shape) -> (N, K)`.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def logits(self, x: Tensor) -> Tensor:
        """Return `f(x)`: `(N, *shape) -> (N, K)`."""
        return self.network(x)

    def log_density(self, x: Tensor) -> Tensor:
        """Return `F(x) = log p(x) + log Z`: `(N, *shape) -> (N,)`."""
        return log_density_of(self.logits(x))

    def value_and_grad(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return F and its gradient with respect to x, both detached.

        Args:
            x: rows `(N, *shape)`.
            y: classes `(N,)`, int64. If given, the function is `f(x)[y]` instead of F.

        Returns:
            The values `(N,)` and the gradients `(N, *shape)`.

        >>> model = EnergyModel(nn.Linear(2, 1))
        >>> value, gradient = model.value_and_grad(torch.zeros(5, 2))
        >>> torch.equal(gradient, model.network.weight.expand(5, 2))
        True
        """
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            logits = self.logits(x)
            value = log_density_of(logits, y)
            if not value.requires_grad:  # the logits do not depend on x
                return value, torch.zeros_like(x)
            (gradient,) = torch.autograd.grad(value.sum(), x, materialize_grads=True)
        return value.detach(), gradient

    def score_matching_terms(self, x: Tensor, v: Tensor | None) -> ScoreMatchingTerms:
        """Return the terms of score matching and of gradient penalties at rows x.

        Args:
            x: rows `(N, *shape)`; not differentiated.
            v: directions of the curvature, the shape of x; None if the curvature is not needed.
        """
        x = x.detach().requires_grad_(True)
        log_density = self.log_density(x)
        (score,) = torch.autograd.grad(log_density.sum(), x, create_graph=True, materialize_grads=True)
        half_square = 0.5 * score.square().flatten(1).sum(1)
        if v is None:
            return ScoreMatchingTerms(log_density, half_square, torch.zeros_like(half_square).detach())
        (product,) = torch.autograd.grad((score * v).sum(), x, create_graph=True, materialize_grads=True)
        curvature = (product * v).flatten(1).sum(1)
        return ScoreMatchingTerms(log_density, curvature + half_square, curvature.detach())


def log_density_of(logits: Tensor, y: Tensor | None = None) -> Tensor:
    """Return `F = logsumexp_k f[k]` of logits, or `f[y]` if classes are given: `(N, K) -> (N,)`.

    >>> log_density_of(torch.tensor([[0.0, 0.0]])).item()
    0.6931471824645996
    """
    if y is not None:
        return logits.gather(1, y[:, None])[:, 0]
    return logits[:, 0] if logits.shape[1] == 1 else torch.logsumexp(logits, dim=1)


class EnergyMLP(ModelSettings):
    """Settings of an energy model on an MLP.

    Attributes:
        hidden: widths of the hidden layers; the paper has five of 100.
        activation: `leaky_relu` in the paper; score matching needs a smooth one (`silu`, `softplus`).
        slope: negative slope of LeakyReLU; the paper has 0.01, and 0.2 for VERA.
    """

    kind: Literal["energy-mlp"] = "energy-mlp"
    hidden: tuple[PositiveInt, ...] = (100, 100, 100, 100, 100)
    activation: Activation = "leaky_relu"
    slope: NonNegative = 0.01

    def build(self, split: Split, outputs: int) -> EnergyModel:
        """Implement `ModelSettings.build`."""
        features = split.train_x.shape[1]
        return EnergyModel(MLP(features, self.hidden, outputs, self.activation, self.slope))

    @property
    def is_smooth(self) -> bool:
        """Implement `ModelSettings.is_smooth`."""
        return is_smooth(self.activation)
