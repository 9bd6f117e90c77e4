"""Conditional noise-contrastive estimation (Ceylan & Gutmann 2018).

Every noise row is a perturbed data row, and a logistic regression tells which of the two is the data:

    J = 2 E log(1 + exp( F(x') - F(x) )),    x' = x + sigma e,   e ~ N(0, I)

The perturbation is symmetric, so that its density and the normalising constant cancel. The minimiser is the log-density
of the data up to a constant. (As sigma goes to 0, J becomes the loss of score matching.) Pairs that differ by sigma
determine differences of F over the distance sigma only. With several values of sigma, each perturbs an equal part of
the rows.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import softplus

from ebmood.core.seeding import torch_stream
from ebmood.core.settings import Positive
from ebmood.models import DensityModel, EnergyModel
from ebmood.objectives.objective import (
    Batch,
    Loss,
    SinglePlayerObjective,
    SinglePlayerSettings,
    require_energy_model,
)


class ConditionalNoiseContrastive(SinglePlayerObjective):
    """Conditional noise-contrastive estimation; the formula is in the module's docstring."""

    model: EnergyModel
    settings: "ConditionalNCE"

    def loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """Return J of a batch, a mean over rows, in nats."""
        return self.contrast(batch.x, generator), {}

    def contrast(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return J of rows `(N, *shape)`, a scalar."""
        sigmas = x.new_tensor(self.settings.sigmas)
        levels = torch.arange(len(x), device=x.device) % len(sigmas)  # rows are in random order
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        noisy = x + sigmas[levels].view(-1, *[1] * (x.ndim - 1)) * noise
        data, perturbed = self.model.log_density(torch.cat([x, noisy])).chunk(2)
        return 2 * softplus(perturbed - data).mean()

    def validation_loss(self, x: Tensor) -> Tensor:
        """Return J of held-out rows, with the same noise at every call and several perturbations of a row."""
        rows = x.repeat_interleave(8 * len(self.settings.sigmas), dim=0)
        return self.contrast(rows, torch_stream(0, "validation", x.device))


class ConditionalNCE(SinglePlayerSettings):
    """Settings of conditional noise-contrastive estimation.

    Attributes:
        sigmas: standard deviations of the perturbation, in units of the model's coordinates.
    """

    kind: Literal["conditional-nce"] = "conditional-nce"
    sigmas: Annotated[tuple[Positive, ...], Field(min_length=1)] = (0.5,)

    def build(
        self, model: DensityModel, classes: int, shape: tuple[int, ...], seed: int
    ) -> ConditionalNoiseContrastive:
        """Implement `ObjectiveSettings.build`."""
        return ConditionalNoiseContrastive(require_energy_model(model, "conditional NCE"), self)
