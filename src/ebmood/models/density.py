"""The one face of everything that learns a density, and how settings become one."""

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn

from ebmood.datasets.dataset import Split
from ebmood.settings import Settings


class DensityModel(nn.Module, ABC):
    """A density over inputs `(N, *shape)`, up to a constant. Higher is more in-distribution.

    Attributes:
        normalised: `log_density` is in nats and integrates to one; otherwise constant (and for models trained
            at another temperature, scale) are unknown.
    """

    normalised: bool = False

    @abstractmethod
    def log_density(self, x: Tensor) -> Tensor:
        """`log p(x)` up to a constant: `(N, *shape) -> (N,)`."""

    def dequantised(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Training rows `(N, *shape)` as likelihood sees them: a model of bytes spreads each over its bin.

        Here they stay as they are. Scores are never taken of such rows.
        """
        return x

    def expect(self, passes: int, rows: int) -> None:
        """Told before a training what it will be asked: time to prepare.

        Args:
            passes: how many batches will go through it.
            rows: in each.
        """

    def forward(self, x: Tensor) -> Tensor:
        """The same as `log_density`, for wrappers that call modules."""
        return self.log_density(x)


class Scorer(ABC):
    """A fitted model of any library: arrays in, scores out."""

    normalised: bool = False

    @abstractmethod
    def score_samples(self, x: np.ndarray) -> np.ndarray:
        """Scores `(N, *shape) -> (N,)`, float64; higher is more in-distribution."""


class ModelSettings(Settings):
    """Settings from which an untrained density model is built for a split's shape and classes."""

    def build(self, split: Split, outputs: int) -> DensityModel:
        """An untrained model; its weights come from torch's global generator.

        Args:
            split: gives the input shape, and training rows to standardise by where the model does so.
            outputs: number of logits: the classes with supervision, else 1. Flows have none and ignore it.
        """
        raise NotImplementedError

    @property
    def piecewise_linear(self) -> bool:
        """The logits are piecewise linear in x, so each one's Hessian is zero almost everywhere."""
        return False
