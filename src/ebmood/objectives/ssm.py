"""Sliced score matching (Song et al. 2019, "Sliced score matching", eq. 8, the variance-reduced form).

    J = E_x E_v [ v' (d s / d x) v + 1/2 |s(x)|^2 ],   s(x) = grad_x log p(x),   v uniform on {-1, 1}^D

with one v per row. The first term is the curvature of the log-density along v. For a single piecewise-linear logit it
is zero almost everywhere; for the logsumexp of several piecewise-linear logits it is never negative. In both cases a
constant log-density minimises J, and the model learns nothing.
"""

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ebmood.models import DensityModel, EnergyModel, ModelSettings
from ebmood.objectives.objective import (
    Batch,
    Loss,
    SinglePlayerObjective,
    SinglePlayerSettings,
    describe_atoms,
    require_energy_model,
)


class SlicedScoreMatching(SinglePlayerObjective):
    """Sliced score matching; the formula is in the module's docstring."""

    model: EnergyModel
    settings: "SSM"

    def loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """Return J of a batch, a mean over rows of sums over coordinates."""
        v = rademacher(batch.x, generator)
        log_density, loss, curvature = self.model.score_matching_terms(batch.x, v)
        loss = loss.mean()
        if self.settings.over == "last":
            loss = loss / math.prod(batch.x.shape[1:-1])
        return loss, {"curvature": curvature.mean(), "log_density": log_density.detach().mean()}


def rademacher(like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw signs +1 and -1, equally likely, with the shape and device of `like`."""
    return torch.empty_like(like, requires_grad=False).bernoulli_(0.5, generator=generator).mul_(2).sub_(1)


class SSM(SinglePlayerSettings):
    """Settings of sliced score matching.

    Attributes:
        over: `last` sums over the last axis of an input only and averages over its other axes, as in the paper's code
            for images; None sums over all coordinates.
    """

    kind: Literal["ssm"] = "ssm"
    over: Literal["last"] | None = None

    def build(
        self, model: DensityModel, classes: int, shape: tuple[int, ...], seed: int
    ) -> SlicedScoreMatching:
        """Implement `ObjectiveSettings.build`."""
        return SlicedScoreMatching(require_energy_model(model, "SSM"), self)

    def degenerate_on(self, model: ModelSettings) -> str | None:
        """Return a line on piecewise-linear networks, which have no curvature that score matching could reward."""
        if model.is_smooth:
            return None
        return (
            "score matching on a piecewise-linear network: the curvature term is never negative, so a "
            "constant log-density minimises the loss; choose a smooth activation (silu, softplus)"
        )

    def unbounded_on(self, x: np.ndarray) -> str | None:
        """Return a line on atoms: the curvature at an atom may decrease without bound while the score stays zero."""
        return describe_atoms(x)
