"""Supervision round any objective: `gamma` times the cross-entropy, added to the energy player's loss.

    L + gamma E[-log p(y|x)],   p(y|x) = softmax f(x)

(Grathwohl et al. 2020, eq. 10, with a weight). The other players, if any, are left as they are.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ebmood.models import EnergyModel
from ebmood.objectives.objective import Batch, Loss, Objective, Player, energy_model


class Supervised(Objective):
    """`objective` with the cross-entropy added to its first player's loss.

    Args:
        objective: what trains the energy model; its model's logits are class logits.
        gamma: the cross-entropy's weight, > 0.
    """

    def __init__(self, objective: Objective, gamma: float):
        super().__init__()
        self.objective = objective
        self.gamma = gamma

    @property
    def model(self) -> EnergyModel:  # type: ignore[override]  # a view of the inner objective's, never a second owner
        """The energy model under training."""
        return energy_model(self.objective.model, "supervision")

    def players(self) -> tuple[Player, ...]:
        """The objective's, the first with the cross-entropy."""
        energy, *others = self.objective.players()

        def loss(batch: Batch, generator: torch.Generator) -> Loss:
            assert batch.y is not None, "supervision needs classes"
            value, logs = energy.loss(batch, generator)
            cross = cross_entropy(self.model.logits(batch.x), batch.y)
            return value + self.gamma * cross, {**logs, "cross_entropy": cross.detach()}

        return (replace(energy, loss=loss), *others)

    def expect(self, steps: int, rows: int) -> None:
        """See `Objective.expect`."""
        self.objective.expect(steps, rows)

    def validation_loss(self, x: Tensor) -> Tensor:
        """The inner objective's."""
        return self.objective.validation_loss(x)

    def negatives_to_show(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """The inner objective's."""
        return self.objective.negatives_to_show(count, generator)
