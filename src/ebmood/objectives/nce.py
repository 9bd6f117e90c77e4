"""Noise-contrastive estimation (Gutmann & Hyvarinen 2012) of an anchored energy.

Noise comes from a known density n, as many rows as there are data, and a logistic regression separates the two with the
logit `log p(x) - log n(x)`:

    J = -E_data [ log s(u(x)) ] - E_noise [ log s(-u(x)) ],    u = log p - log n,   s the logistic function

The minimiser p is the density of the data; it is normalised without computing Z. Here one half of n is the base q, for
which the logit of an untrained network is zero, and the other half is q with larger standard deviations, which teaches
the model how p decreases outside the data.
"""

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import softplus

from ebmood.core.seeding import torch_stream
from ebmood.models import AnchoredEnergy, DensityModel
from ebmood.objectives.objective import AdamW, Batch, Loss, Objective, ObjectiveSettings, Player


class NoiseContrastive(Objective):
    """Noise-contrastive estimation; the formula is in the module's docstring.

    Args:
        model: the model to train; only its network changes.
        widen: factor of the standard deviations of the wide half of the noise, > 1.
        optimiser: optimiser of the network.
    """

    model: AnchoredEnergy

    def __init__(self, model: AnchoredEnergy, widen: float, optimiser: AdamW):
        super().__init__()
        self.model = model
        self.wide = model.base.widened(widen)
        self.optimiser = optimiser

    def players(self) -> tuple[Player, ...]:
        """Return the only player, the energy."""
        return (Player("energy", tuple(self.model.network.parameters()), self.loss, self.optimiser),)

    def loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """Return J of a batch, a mean over rows, in nats."""
        noise = self.noise(len(batch.x), generator).to(batch.x.dtype)
        loss = softplus(-self.logit(batch.x)).mean() + softplus(self.logit(noise)).mean()
        return loss, {}

    def validation_loss(self, x: Tensor) -> Tensor:
        """Return J of held-out rows and eight times as many noise rows, which are the same at every call."""
        noise = self.noise(8 * len(x), torch_stream(0, "validation", x.device)).to(x.dtype)
        return softplus(-self.logit(x)).mean() + softplus(self.logit(noise)).mean()

    def noise(self, rows: int, generator: torch.Generator) -> Tensor:
        """Draw rows of n: `(rows, D)`, half from the base and half from the wide base."""
        from_base = rows // 2
        halves = self.model.base.sample(from_base, generator), self.wide.sample(rows - from_base, generator)
        return torch.cat(halves)

    def logit(self, x: Tensor) -> Tensor:
        """Return `u(x) = log p(x) - log n(x)`: `(N, D) -> (N,)`."""
        with torch.no_grad():
            joint = self.model.base.class_log_density(x)
            log_n = torch.logaddexp(joint.logsumexp(1), self.wide.log_density(x)) - math.log(2)
        return (joint + self.model.network(x)).logsumexp(1) - log_n


class NCE(ObjectiveSettings):
    """Settings of noise-contrastive estimation.

    Attributes:
        widen: factor of the standard deviations of the wide half of the noise, > 1.
        optimiser: optimiser of the network.
    """

    kind: Literal["nce"] = "nce"
    widen: Annotated[float, Field(gt=1)] = 2.0
    optimiser: AdamW = AdamW()

    def build(self, model: DensityModel, classes: int, shape: tuple[int, ...], seed: int) -> NoiseContrastive:
        """Implement `ObjectiveSettings.build`.

        Raises:
            TypeError: the model is not anchored on a base density.
        """
        if not isinstance(model, AnchoredEnergy):
            raise TypeError(f"NCE trains anchored energy models, not {type(model).__name__}")
        return NoiseContrastive(model, self.widen, self.optimiser)
