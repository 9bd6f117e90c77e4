"""Cross-entropy alone: training of the classifiers that provide embeddings and baseline scores.

L = E[-log p(y|x)],   p(y|x) = softmax f(x)
"""

from typing import ClassVar, Literal

import torch
from torch.nn.functional import cross_entropy

from ebmood.models import DensityModel, EnergyModel
from ebmood.objectives.objective import (
    AdamW,
    Batch,
    Loss,
    SinglePlayerObjective,
    SinglePlayerSettings,
    require_energy_model,
)


class Classification(SinglePlayerObjective):
    """Training of a classifier. The logits of the model are class logits; p(x) is not trained."""

    model: EnergyModel
    settings: "CrossEntropy"
    player_name: ClassVar[str] = "classifier"

    def loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """Return L of a batch."""
        assert batch.y is not None, "a classifier needs classes"
        logits = self.model.logits(batch.x)
        accuracy = (logits.detach().argmax(1) == batch.y).float().mean()
        return cross_entropy(logits, batch.y), {"accuracy": accuracy}


class CrossEntropy(SinglePlayerSettings):
    """Settings of a classifier's training."""

    kind: Literal["cross-entropy"] = "cross-entropy"
    optimiser: AdamW = AdamW(weight_decay=5e-4)

    def build(self, model: DensityModel, classes: int, shape: tuple[int, ...], seed: int) -> Classification:
        """Implement `ObjectiveSettings.build`."""
        return Classification(require_energy_model(model, "cross-entropy"), self)
