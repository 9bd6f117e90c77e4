"""The interfaces of density models, of fitted scorers and of model settings."""

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn

from ebmood.core.errors import EbmoodError
from ebmood.core.settings import Settings
from ebmood.data.dataset import Split


class DensityModel(nn.Module, ABC):
    """A density over inputs `(N, *shape)`, up to a constant. Higher is more in-distribution.

    Attributes:
        normalised: whether `log_density` is in nats and integrates to one. Otherwise its constant is unknown, and so is
            its scale for models that are trained at another temperature.
    """

    normalised: bool = False

    @abstractmethod
    def log_density(self, x: Tensor) -> Tensor:
        """Return `log p(x)` up to a constant: `(N, *shape) -> (N,)`."""

    def logits(self, x: Tensor) -> Tensor | None:
        """Return the logits of classes, `log p(x, y)` up to a constant: `(N, *shape) -> (N, K)`.

        Return None if the model has no logits, which is the default. K is 1 without supervision.
        """
        return None

    def dequantize(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return training rows `(N, *shape)` as maximum likelihood needs them.

        A model of bytes spreads each byte over its bin; the default returns `x`. Scores are never computed from
        dequantized rows.
        """
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Return `log_density(x)`, for wrappers that call modules."""
        return self.log_density(x)


class Scorer(ABC):
    """A fitted model of any library: arrays in, scores out.

    Attributes:
        normalised: whether scores are log-densities in nats that integrate to one.
    """

    normalised: bool = False

    @abstractmethod
    def score_samples(self, x: np.ndarray) -> np.ndarray:
        """Return scores `(N, *shape) -> (N,)`, float64; higher is more in-distribution."""

    def predict_classes(self, x: np.ndarray) -> np.ndarray | None:
        """Return the most probable class of each row, `(N,)` in 0..K-1, or None if the model knows no classes."""
        return None


class ModelSettings(Settings):
    """Settings from which an untrained density model is built for the shape and classes of a split."""

    def build(self, split: Split, outputs: int) -> DensityModel:
        """Return an untrained model whose weights are drawn from torch's global generator.

        Args:
            split: gives the input shape, and training rows for models that standardise their input.
            outputs: number of logits: the number of classes with supervision, else 1. Flows ignore it.
        """
        raise NotImplementedError

    @property
    def is_smooth(self) -> bool:
        """Whether the logits have second derivatives. Those of piecewise-linear networks are zero almost everywhere."""
        return True

    @property
    def is_normalised(self) -> bool:
        """Whether the model will be `normalised`, which is known before it is built."""
        return False


def image_shape(split: Split, model: str) -> tuple[int, int, int]:
    """Return the shape `(C, H, W)` of a split's images.

    Args:
        split: the split.
        model: name of the model that takes images, for the error message.

    Raises:
        EbmoodError: the rows are not images.
    """
    shape = split.train_x.shape[1:]
    if len(shape) != 3:
        raise EbmoodError(
            f"{split.dataset}: model {model!r} takes images (C, H, W), but the rows have shape {tuple(shape)}; "
            "use a model for tables such as energy-mlp"
        )
    return shape
