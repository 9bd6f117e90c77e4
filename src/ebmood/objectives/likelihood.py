"""Maximum likelihood, for models whose density is exact: `L = -mean log p(x)`, in nats."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ebmood.models import DensityModel
from ebmood.objectives.objective import AdamW, Batch, Loss, Objective, ObjectiveSettings, Player, atoms_of


class MaximumLikelihood(Objective):
    """See the module's head."""

    def __init__(self, model: DensityModel, settings: "Likelihood"):
        super().__init__()
        self.model = model
        self.settings = settings

    def players(self) -> tuple[Player, ...]:
        """One: the density."""
        return (Player("density", tuple(self.model.parameters()), self.loss, self.settings.optimiser),)

    def expect(self, steps: int, rows: int) -> None:
        """See `Objective.expect`: every step goes through the model once."""
        self.model.expect(steps, rows)

    def loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """Minus the mean log-density of a batch, dequantised where the model asks for it."""
        return -self.model.log_density(self.model.dequantised(batch.x, generator)).mean(), {}

    def validation_loss(self, x: Tensor) -> Tensor:
        """Minus the mean log-density of held-out rows."""
        return -self.model.log_density(x).mean()


class Likelihood(ObjectiveSettings):
    """Settings of maximum likelihood."""

    kind: Literal["likelihood"] = "likelihood"
    optimiser: AdamW = AdamW()

    def start(
        self, model: DensityModel, classes: int, shape: tuple[int, ...], seed: int
    ) -> MaximumLikelihood:
        """See `ObjectiveSettings.start`.

        Raises:
            TypeError: the model's density is not normalised.
        """
        if not model.normalised:
            raise TypeError(f"likelihood needs a normalised density, which {type(model).__name__} is not")
        return MaximumLikelihood(model, self)

    def unbounded_on(self, x: np.ndarray) -> str | None:
        """The density at an atom may grow for ever; bytes are dequantised and have none."""
        return None if x.dtype == np.uint8 else atoms_of(x)
