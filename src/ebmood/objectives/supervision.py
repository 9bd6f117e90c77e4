"""Supervision of any objective: `gamma` times the cross-entropy, added to the loss of the energy player.

    L + gamma E[-log p(y|x)],   p(y|x) = softmax f(x)

(Grathwohl et al. 2020, eq. 10, with a weight.) Other players, if any, do not change.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ebmood.models import EnergyModel
from ebmood.objectives.objective import Batch, Loss, Objective, Player, require_energy_model


class Supervised(Objective):
    """`objective` with the cross-entropy added to the loss of its first player.

    Args:
        objective: trains the energy model; the logits of its model are class logits.
        gamma: weight of the cross-entropy, > 0.
    """

    def __init__(self, objective: Objective, gamma: float):
        super().__init__()
        self.objective = objective
        self.gamma = gamma

    @property
    def model(self) -> EnergyModel:  # type: ignore[override]  # refers to the inner objective's model, never owns it
        """The energy model that is trained."""
        return require_energy_model(self.objective.model, "supervision")

    def players(self) -> tuple[Player, ...]:
        """Return the players of the inner objective, the first one with the cross-entropy."""
        energy, *others = self.objective.players()

        def loss(batch: Batch, generator: torch.Generator) -> Loss:
            assert batch.y is not None, "supervision needs classes"
            value, logs = energy.loss(batch, generator)
            cross = cross_entropy(self.model.logits(batch.x), batch.y)
            return value + self.gamma * cross, {**logs, "cross_entropy": cross.detach()}

        return (replace(energy, loss=loss), *others)

    def validation_loss(self, x: Tensor) -> Tensor:
        """Return the validation loss of the inner objective."""
        return self.objective.validation_loss(x)

    def sample_negatives(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the negatives of the inner objective."""
        return self.objective.sample_negatives(count, generator)
