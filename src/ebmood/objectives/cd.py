"""Contrastive divergence (Hinton 2002), persistent (Tieleman 2008), as in JEM (Grathwohl et al. 2020).

    L = -(mean F(x+) - mean F(x-)) + c (mean F(x+)^2 + mean F(x-)^2)

x+ are data, x- are the ends of Langevin chains that start from a replay buffer. The penalty c keeps F near zero. With
the penalty, and with chains whose temperature is far from one, F ranks inputs but is not a log-density in nats. With
c = 0 and matched noise it is maximum likelihood.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from ebmood.core.seeding import torch_stream
from ebmood.core.settings import Fraction, NonNegative
from ebmood.models import DensityModel, EnergyModel
from ebmood.objectives.objective import (
    Batch,
    Loss,
    SinglePlayerObjective,
    SinglePlayerSettings,
    require_energy_model,
)
from ebmood.samplers import MALA, SGLD, ReplayBuffer


class ContrastiveDivergence(SinglePlayerObjective):
    """Contrastive divergence; the formula is in the module's docstring."""

    model: EnergyModel
    settings: "CD"

    def __init__(self, model: EnergyModel, settings: "CD", buffer: ReplayBuffer):
        super().__init__(model, settings)
        self.buffer = buffer

    def loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """Return L of a batch and equally many negatives."""
        negatives, drift = self.negatives(len(batch.x), generator)
        data, chains = self.model.log_density(torch.cat([batch.x, negatives])).chunk(2)
        loss = chains.mean() - data.mean()
        if self.settings.penalty:
            loss = loss + self.settings.penalty * (data.square().mean() + chains.square().mean())
        if self.settings.class_entropy is not None:
            log_p_y = self.model.logits(batch.x).log_softmax(1)
            loss = loss + self.settings.class_entropy * (log_p_y.exp() * log_p_y).sum(1).mean()
        return loss, {"data": data.detach().mean(), "negatives": chains.detach().mean(), "drift": drift}

    def negatives(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Run `count` chains and store their ends in the replay buffer.

        Returns:
            The ends `(count, *shape)`, and their drift: the mean of |end - start| over rows and coordinates.
        """
        starts, slots, classes = self.buffer.draw(count, generator)
        y = classes if self.settings.class_conditional else None
        x = self.settings.chain.run(self.model, starts, y, generator)
        self.buffer.put(slots, x)
        return x, (x - starts).abs().mean()

    def sample_negatives(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return chain ends from the replay buffer."""
        return {"chains": self.buffer.samples[:count]}


class CD(SinglePlayerSettings):
    """Settings of contrastive divergence.

    Attributes:
        chain: the Langevin chains: `SGLD` as in the paper, or `MALA`, which samples p itself.
        buffer: slots of the replay buffer.
        restart: fraction of chains that start from U(-1, 1).
        penalty: c, the weight of the squared log-densities.
        class_entropy: weight of a reward for the entropy of `p(y|x)` at data; None for none.
        class_conditional: whether a chain follows `f(x)[y]` of its slot's class y instead of `F`.
    """

    kind: Literal["cd"] = "cd"
    chain: Annotated[SGLD | MALA, Field(discriminator="kind")] = SGLD()
    buffer: PositiveInt = 9_000
    restart: Fraction = 0.05
    penalty: NonNegative = 1.0
    class_entropy: NonNegative | None = None
    class_conditional: bool = False

    def build(
        self, model: DensityModel, classes: int, shape: tuple[int, ...], seed: int
    ) -> ContrastiveDivergence:
        """Implement `ObjectiveSettings.build`."""
        slot_classes = classes if self.class_conditional else 1
        buffer = ReplayBuffer(
            self.buffer, shape, self.restart, slot_classes, torch_stream(seed, "replay buffer")
        )
        return ContrastiveDivergence(require_energy_model(model, "CD"), self, buffer)
