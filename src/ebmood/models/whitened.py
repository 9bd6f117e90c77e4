"""Energies in whitened coordinates, in which every cluster of the data has the unit covariance.

    z = W (x - m),    W = diag(v)^(-1/2) V',    C = V diag(v) V',    log p(x) = log p_z(z) + log |det W|

C is the shared covariance of a mixture of Gaussians that is fitted to the training rows, and m is its mean. Columns of
a table differ in their spread within clusters by factors of a hundred. In z, one step size of a chain, one width of a
perturbation and one noise level fit all directions. Training takes place in z (`objectives.whitened`).

Rows may get normal noise of standard deviation s in z, in training only. The model is then the density of the data with
this noise, `p_z * N(0, s^2 I)`. It is bounded even if columns repeat one value, on which the density of the data itself
is infinite and no likelihood has a maximum.
"""

import math
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ebmood.core.settings import NonNegative, Positive
from ebmood.data.dataset import Split
from ebmood.models.anchored import AnchoredEnergy
from ebmood.models.denoising import DenoisingEnergy
from ebmood.models.density import DensityModel, ModelSettings
from ebmood.models.mixture import TiedMixture
from ebmood.networks import MLP, Activation


class Whitening(nn.Module):
    """The linear map `z = W (x - m)` and its inverse.

    Args:
        base: the mixture whose mean is m and whose shared covariance is C.

    Attributes:
        log_det: `log |det W|`, a scalar.
    """

    centre: Tensor
    matrix: Tensor
    log_det: Tensor

    def __init__(self, base: TiedMixture):
        super().__init__()
        used = base.log_weights > -math.inf
        weights = base.log_weights[used].softmax(0)
        self.register_buffer("centre", weights @ base.means[used])
        self.register_buffer("matrix", base.axes * base.variances.rsqrt())  # W' in columns
        self.register_buffer("log_det", -0.5 * base.variances.log().sum())

    def forward(self, x: Tensor) -> Tensor:
        """Return z in the dtype of x: `(N, D) -> (N, D)`."""
        return ((x.to(torch.float64) - self.centre) @ self.matrix).to(x.dtype)

    def inverse(self, z: Tensor) -> Tensor:
        """Return x in the dtype of z: `(N, D) -> (N, D)`."""
        return (torch.linalg.solve(self.matrix.mT, z.to(torch.float64).mT).mT + self.centre).to(z.dtype)

    def whitened(self, base: TiedMixture, noise: float) -> TiedMixture:
        """Return the mixture of z with noise, whose components have the covariance `(1 + noise^2) I`."""
        mixture = TiedMixture(base.means.shape[1], len(base.log_weights) // base.classes, base.classes)
        mixture.log_weights.copy_(base.log_weights)
        mixture.means.copy_((base.means - self.centre) @ self.matrix)
        mixture.variances.fill_(1 + noise**2)
        return mixture


class WhitenedModel(DensityModel):
    """A density of z as a density of x.

    Args:
        inner: density of z.
        coordinates: the map from x to z.
        noise: standard deviation s of the noise that training adds to z; 0 for none.
    """

    def __init__(self, inner: DensityModel, coordinates: Whitening, noise: float):
        super().__init__()
        self.noise = noise
        self.inner = inner
        self.coordinates = coordinates
        self.normalised = inner.normalised

    def log_density(self, x: Tensor) -> Tensor:
        """Return `log p_z(W (x - m)) + log |det W|`: `(N, D) -> (N,)`."""
        return self.inner.log_density(self.coordinates(x)) + self.coordinates.log_det

    def logits(self, x: Tensor) -> Tensor | None:
        """Return the logits of z plus `log |det W|`, or None if the density of z has none."""
        logits = self.inner.logits(self.coordinates(x))
        return None if logits is None else logits + self.coordinates.log_det


class Scale(nn.Module):
    """Divide every column by a fixed number: `(N, D) -> (N, D)`."""

    deviations: Tensor

    def __init__(self, deviations: Tensor):
        super().__init__()
        self.register_buffer("deviations", deviations)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scaled rows."""
        return x / self.deviations.to(x.dtype)


class WhitenedMLP(ModelSettings):
    """Settings of an anchored energy in whitened coordinates: a mixture of Gaussians plus an MLP on scaled z.

    Attributes:
        components: Gaussians of the base, for every class; fewer for classes with few rows.
        floor: smallest variance of the base along any axis, in units of the scaled data.
        prior: shrinkage of the base's covariance towards a multiple of the identity, in pseudo-rows per column.
        noise: standard deviation s of the noise that training adds to z, >= 0.
        hidden: widths of the network's hidden layers.
        activation: activation of the network; all objectives that differentiate its score need a smooth one.
    """

    kind: Literal["whitened-mlp"] = "whitened-mlp"
    components: Annotated[int, Field(ge=1)] = 64
    floor: Positive = 1e-4
    prior: NonNegative = 0.3
    noise: NonNegative = 0.5
    hidden: tuple[PositiveInt, ...] = (100, 100)
    activation: Activation = "silu"

    def build(self, split: Split, outputs: int) -> WhitenedModel:
        """Implement `ModelSettings.build`. The network's output starts at zero, so p starts as the base."""
        base, coordinates, network = self._parts(split, outputs, outputs)
        return WhitenedModel(AnchoredEnergy(base, network), coordinates, self.noise)

    def _parts(self, split: Split, classes: int, outputs: int) -> tuple[TiedMixture, Whitening, nn.Module]:
        """Return the base of z, the coordinates, and the network `(N, D) -> (N, outputs)`."""
        rows = np.asarray(split.train_x, dtype=np.float64).reshape(len(split.train_x), -1)
        fitted = TiedMixture(rows.shape[1], self.components, classes)
        y = None if classes == 1 else split.train_y
        fitted.fit(rows, y, self.floor, self.prior, int(torch.randint(2**31, ())))
        coordinates = Whitening(fitted)
        deviations = coordinates(torch.from_numpy(rows)).std(0).clamp(min=1.0)
        mlp = MLP(rows.shape[1], self.hidden, outputs, self.activation)
        for parameter in mlp.layers[-1].parameters():
            nn.init.zeros_(parameter)
        return coordinates.whitened(fitted, self.noise), coordinates, nn.Sequential(Scale(deviations), mlp)


class DenoisingMLP(WhitenedMLP):
    """Settings of a denoising energy in whitened coordinates; see `DenoisingEnergy`. It has no classes.

    The noise levels take the place of `noise`, which is zero.

    Attributes:
        sigmas: standard deviations of the noise in z. Scores are the log-density at the first one.
    """

    kind: Literal["denoising-mlp"] = "denoising-mlp"  # type: ignore[assignment]  # another kind than that of the base class
    noise: Annotated[float, Field(ge=0, le=0)] = 0.0
    sigmas: Annotated[tuple[Positive, ...], Field(min_length=1)] = (0.5, 1.0, 2.0)

    def build(self, split: Split, outputs: int) -> WhitenedModel:
        """Implement `ModelSettings.build`."""
        base, coordinates, network = self._parts(split, 1, len(self.sigmas))
        return WhitenedModel(DenoisingEnergy(base, network, self.sigmas), coordinates, self.noise)
