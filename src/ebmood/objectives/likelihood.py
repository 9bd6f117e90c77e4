"""Maximum likelihood, for models whose density is exact: `L = -mean log p(x)`, in nats."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ebmood.models import DensityModel
from ebmood.objectives.objective import (
    AdamW,
    Batch,
    Loss,
    Objective,
    ObjectiveSettings,
    Player,
    describe_atoms,
)


class MaximumLikelihood(Objective):
    """Maximum likelihood; the formula is in the module's docstring."""

    def __init__(self, model: DensityModel, settings: "Likelihood"):
        super().__init__()
        self.model = model
        self.settings = settings

    def players(self) -> tuple[Player, ...]:
        """Return the only player, the density."""
        return (Player("density", tuple(self.model.parameters()), self.loss, self.settings.optimiser),)

    def loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """Return minus the mean log-density of a batch, dequantized where the model needs it."""
        return -self.model.log_density(self.model.dequantize(batch.x, generator)).mean(), {}

    def validation_loss(self, x: Tensor) -> Tensor:
        """Return minus the mean log-density of held-out rows."""
        return -self.model.log_density(x).mean()


class Likelihood(ObjectiveSettings):
    """Settings of maximum likelihood.

    Attributes:
        optimiser: optimiser of the density.
    """

    kind: Literal["likelihood"] = "likelihood"
    optimiser: AdamW = AdamW()

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
