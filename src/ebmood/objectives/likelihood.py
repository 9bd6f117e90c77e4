"""Maximum likelihood, for models whose density is exact: `L = -mean log p(x)`, in nats."""

from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from ebmood.models import DensityModel
from ebmood.objectives.objective import (
    Batch,
    Loss,
    SinglePlayerObjective,
    SinglePlayerSettings,
    describe_atoms,
)


class MaximumLikelihood(SinglePlayerObjective):
    """Maximum likelihood; the formula is in the module's docstring."""

    player_name: ClassVar[str] = "density"

    def loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """Return minus the mean log-density of a batch, dequantized where the model needs it."""
        return -self.model.log_density(self.model.dequantize(batch.x, generator)).mean(), {}

    def validation_loss(self, x: Tensor) -> Tensor:
        """Return minus the mean log-density of held-out rows."""
        return -self.model.log_density(x).mean()


class Likelihood(SinglePlayerSettings):
    """Settings of maximum likelihood."""

    kind: Literal["likelihood"] = "likelihood"

    def build(
        self, model: DensityModel, classes: int, shape: tuple[int, ...], seed: int
    ) -> MaximumLikelihood:
        """Implement `ObjectiveSettings.build`.

        Raises:
            TypeError: the model's density is not normalised.
        """
        if not model.normalised:
            raise TypeError(f"likelihood needs a normalised density, which {type(model).__name__} is not")
        return MaximumLikelihood(model, self)

    def unbounded_on(self, x: np.ndarray) -> str | None:
        """Return a line on atoms, at which the density may grow without bound. Bytes are dequantized and have none."""
        return None if x.dtype == np.uint8 else describe_atoms(x)
