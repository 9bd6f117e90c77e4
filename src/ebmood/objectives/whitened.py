"""Training in whitened coordinates: any objective, on rows z with noise instead of x. See `ebmood.models.whitened`."""

from dataclasses import replace

import torch
from torch import Tensor

from ebmood.core.seeding import torch_stream
from ebmood.models import WhitenedModel
from ebmood.objectives.objective import Batch, Loss, Objective, Player


class InWhitenedCoordinates(Objective):
    """An objective of the inner model of a `WhitenedModel`, as an objective of rows x.

    Args:
        model: the whitened model.
        objective: an objective that trains `model.inner`.
    """

    def __init__(self, model: WhitenedModel, objective: Objective):
        super().__init__()
        self.objective = objective
        self.coordinates = model.coordinates
        self.noise = model.noise
        self._whitened = (model,)  # in a tuple, since its parts are already modules of this one

    @property
    def model(self) -> WhitenedModel:  # type: ignore[override]  # the base class has an attribute
        """The whitened model."""
        return self._whitened[0]

    def players(self) -> tuple[Player, ...]:
        """Return the players of the inner objective, with batches in whitened coordinates."""
        return tuple(replace(player, loss=self._loss_of(player)) for player in self.objective.players())

    def _loss_of(self, player: Player):
        def loss(batch: Batch, generator: torch.Generator) -> Loss:
            return player.loss(Batch(self._noisy(batch.x, generator), batch.y), generator)

        return loss

    def validation_loss(self, x: Tensor) -> Tensor:
        """Return the validation loss of the inner objective, with the same noise at every call."""
        return self.objective.validation_loss(
            self._noisy(x, torch_stream(0, "noise of held-out rows", x.device))
        )

    def _noisy(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return z with noise."""
        z = self.coordinates(x)
        if not self.noise:
            return z
        return z + self.noise * torch.randn(z.shape, generator=generator, dtype=z.dtype, device=z.device)

    def sample_negatives(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the negatives of the inner objective, as rows x."""
        negatives = self.objective.sample_negatives(count, generator)
        return {name: self.coordinates.inverse(z) for name, z in negatives.items()}
