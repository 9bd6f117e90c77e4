"""Energy discrepancy (Schroeder et al. 2023, "Energy discrepancies: a score-independent loss for energy-based models").

Rows are perturbed by Gaussian noise of variance t, and M samples of the posterior of the perturbation are contrasted
with them:

    L = E log( w / M + 1/M sum_i exp( F(x_i) - F(x) ) ),    x_i = x + sqrt(t) e + sqrt(t) e_i,   e, e_i ~ N(0, I)

No score, no chain and no normalising constant is needed. With w = 0 and M to infinity, L is

    E[E(x)] - E[E_t(x + sqrt(t) e)],    E_t(y) = -log integral N(y - u; 0, t I) exp(-E(u)) du,   E = -F

of which the data's log-density is the unique minimiser. As t goes to 0, L / t goes to the loss of score matching; as t
grows, the gradient of L goes to that of the likelihood. w > 0 bounds the loss for finite M.
"""

import math
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor

from ebmood.core.seeding import torch_stream
from ebmood.core.settings import NonNegative, Positive
from ebmood.models import DensityModel, EnergyModel
from ebmood.objectives.objective import (
    Batch,
    Loss,
    SinglePlayerObjective,
    SinglePlayerSettings,
    require_energy_model,
)


class EnergyDiscrepancyLoss(SinglePlayerObjective):
    """Energy discrepancy; the formula is in the module's docstring."""

    model: EnergyModel
    settings: "EnergyDiscrepancy"

    def loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """Return L of a batch, a mean over rows."""
        return self.discrepancy(batch.x, generator), {}

    def discrepancy(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return L of rows `(N, *shape)`, a scalar."""
        settings = self.settings
        samples = settings.samples
        noise = torch.randn(samples + 1, *x.shape, generator=generator, dtype=x.dtype, device=x.device)
        contrasts = x + math.sqrt(settings.t) * (noise[:1] + noise[1:])
        values = self.model.log_density(torch.cat([x[None], contrasts]).flatten(0, 1))
        values = values.unflatten(0, (samples + 1, len(x)))
        differences = values[1:] - values[:1]
        if settings.w:
            constant = torch.full_like(differences[:1], math.log(settings.w))
            differences = torch.cat([constant, differences])
        return (differences.logsumexp(0) - math.log(samples)).mean()

    def validation_loss(self, x: Tensor) -> Tensor:
        """Return L of held-out rows, with the same noise at every call and eight perturbations of a row."""
        return self.discrepancy(x.repeat(8, *[1] * (x.ndim - 1)), torch_stream(0, "validation", x.device))


class EnergyDiscrepancy(SinglePlayerSettings):
    """Settings of energy discrepancy.

    Attributes:
        t: variance of the perturbation, > 0, in units of the model's coordinates.
        samples: M, contrasts of a row.
        w: stabilisation; 0 for none.
    """

    kind: Literal["energy-discrepancy"] = "energy-discrepancy"
    t: Positive = 0.25
    samples: PositiveInt = 16
    w: NonNegative = 1.0

    def build(
        self, model: DensityModel, classes: int, shape: tuple[int, ...], seed: int
    ) -> EnergyDiscrepancyLoss:
        """Implement `ObjectiveSettings.build`."""
        return EnergyDiscrepancyLoss(require_energy_model(model, "energy discrepancy"), self)
