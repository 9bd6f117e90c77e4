"""Noise-contrastive estimation (Gutmann & Hyvarinen 2012) of an anchored energy.

Noise comes from a known density n, as many rows as there are data, and a logistic regression tells them apart with
the logit `log p(x) - log n(x)`:

    J = -E_data [ log s(u(x)) ] - E_noise [ log s(-u(x)) ],    u = log p - log n,   s the logistic function

Its minimum is p = the data's density, normalised without a Z. Here n is half the base q, against which the network's
f = log p - log q starts at zero, and half a widened q, without which nothing says how p falls outside.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ebmood.models.anchored import AnchoredEnergy
from ebmood.objectives.objective import AdamW, Batch, Loss, Objective, Player


class NoiseContrastive(Objective):
    """See the module's head.

    Args:
        model: what is trained; only its network moves.
        widen: how many times the standard deviations of the widened half are the base's, > 1.
        optimiser: of the network.
    """

    model: AnchoredEnergy

    def __init__(self, model: AnchoredEnergy, widen: float, optimiser: AdamW):
        super().__init__()
        self.model = model
        self.wide = model.base.widened(widen)
        self.optimiser = optimiser

    def players(self) -> tuple[Player, ...]:
        """One: the energy."""
        return (Player("energy", tuple(self.model.network.parameters()), self.loss, self.optimiser),)

    def loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """J on a batch: a mean over rows, in nats."""
        noise = self.noise(len(batch.x), generator).to(batch.x.dtype)
        loss = softplus(-self.logit(batch.x)).mean() + softplus(self.logit(noise)).mean()
        return loss, {}

    def noise(self, rows: int, generator: torch.Generator) -> Tensor:
        """Rows of n: `(rows, D)`, half from the base and half from the widened base."""
        near = rows // 2
        halves = self.model.base.sample(near, generator), self.wide.sample(rows - near, generator)
        return torch.cat(halves)

    def logit(self, x: Tensor) -> Tensor:
        """`u(x) = log p(x) - log n(x)`: `(N, D) -> (N,)`."""
        with torch.no_grad():
            joint = self.model.base.class_log_density(x)
            noise = torch.logaddexp(joint.logsumexp(1), self.wide.log_density(x)) - math.log(2)
        return (joint + self.model.network(x)).logsumexp(1) - noise
