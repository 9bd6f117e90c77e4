"""Contrastive divergence (Hinton 2002), persistent (Tieleman 2008), as JEM trains (Grathwohl et al. 2020).

    L = -(mean F(x+) - mean F(x-)) + c (mean F(x+)^2 + mean F(x-)^2)

x+ are data, x- are the ends of Langevin chains that start from a replay buffer. The penalty c keeps F near
zero; with it, and with the chains' temperature far from one, F ranks inputs but is not a log-density in nats.
With c = 0 and matched noise it is maximum likelihood.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ebmood.models import DensityModel, EnergyModel
from ebmood.objectives.objective import AdamW, Batch, Loss, Objective, ObjectiveSettings, Player, energy_model
from ebmood.samplers import MALA, SGLD, ReplayBuffer
from ebmood.seeding import torch_stream


class ContrastiveDivergence(Objective):
    """See the module's head."""

    def __init__(self, model: EnergyModel, settings: "CD", buffer: ReplayBuffer):
        super().__init__()
        self.model: EnergyModel = model
        self.settings = settings
        self.buffer = buffer

    def players(self) -> tuple[Player, ...]:
        """One: the energy."""
        return (Player("energy", tuple(self.model.parameters()), self.loss, self.settings.optimiser),)

    def expect(self, steps: int, rows: int) -> None:
        """See `Objective.expect`: every step of a chain goes through the model."""
        self.model.expect(steps * self.settings.chain.steps, rows)

    def loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """L on a batch and as many negatives."""
        negatives, drift = self.negatives(len(batch.x), generator)
        data, chains = self.model.log_density(torch.cat([batch.x, negatives])).chunk(2)
        loss = chains.mean() - data.mean()
        if self.settings.penalty:
            loss = loss + self.settings.penalty * (data.square().mean() + chains.square().mean())
        if self.settings.class_entropy is not None:
            share = self.model.logits(batch.x).log_softmax(1)
            loss = loss + self.settings.class_entropy * (share.exp() * share).sum(1).mean()
        return loss, {"data": data.detach().mean(), "negatives": chains.detach().mean(), "drift": drift}

    def negatives(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """`(count, *shape)` ends of chains, which also go back to the replay buffer, and their drift.

        The drift is how far the chains went, the mean of |end - start| over rows and coordinates.
        """
        starts, slots, classes = self.buffer.starts(count, generator)
        y = classes if self.settings.class_conditional else None
        x = self.settings.chain.run(self.model, starts, y, generator)
        self.buffer.put(slots, x)
        return x, (x - starts).abs().mean()

    def negatives_to_show(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Ends of chains, as the replay buffer holds them."""
        return {"chains": self.buffer.samples[:count]}


class CD(ObjectiveSettings):
    """Settings of contrastive divergence.

    Attributes:
        chain: the Langevin chains; `SGLD` as published, or `MALA`, which samples p itself.
        buffer: slots of the replay buffer.
        restart: share of chains that start afresh from U(-1, 1).
        penalty: c, the weight of the squared log-densities.
        class_entropy: weight of a reward for the entropy of `p(y|x)` at data; None for none.
        class_conditional: a chain climbs `f(x)[y]` of its slot's class y in place of `F`.
        optimiser: of the energy.
    """

    kind: Literal["cd"] = "cd"
    chain: Annotated[SGLD | MALA, Field(discriminator="kind")] = SGLD()
    buffer: int = 9_000
    restart: float = 0.05
    penalty: float = 1.0
    class_entropy: float | None = None
    class_conditional: bool = False
    optimiser: AdamW = AdamW()

    def start(
        self, model: DensityModel, classes: int, shape: tuple[int, ...], seed: int
    ) -> ContrastiveDivergence:
        """See `ObjectiveSettings.start`."""
        owners = classes if self.class_conditional else 1
        buffer = ReplayBuffer(self.buffer, shape, self.restart, owners, torch_stream(seed, "replay buffer"))
        return ContrastiveDivergence(energy_model(model, "CD"), self, buffer)
