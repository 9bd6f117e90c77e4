"""Sliced score matching (Song et al. 2019, "Sliced score matching", eq. 8, the variance-reduced form).

    J = E_x E_v [ v' (d s / d x) v + 1/2 |s(x)|^2 ],   s(x) = grad_x log p(x),   v uniform on {-1, 1}^D

with one v per row. The first term is the curvature of the log-density along v. It is zero almost everywhere
when the logits are piecewise linear (one logit), and never negative for a logsumexp of several such logits:
then a constant log-density minimises J, and nothing is learnt.
"""

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ebmood.models import DensityModel, EnergyModel, ModelSettings
from ebmood.networks import MLP
from ebmood.objectives.objective import (
    AdamW,
    Batch,
    Loss,
    Objective,
    ObjectiveSettings,
    Player,
    atoms_of,
    energy_model,
)


class SlicedScoreMatching(Objective):
    """See the module's head."""

    def __init__(self, model: EnergyModel, settings: "SSM"):
        super().__init__()
        self.model: EnergyModel = model
        self.settings = settings

    def players(self) -> tuple[Player, ...]:
        """One: the energy."""
        return (Player("energy", tuple(self.model.parameters()), self.loss, self.settings.optimiser),)

    def expect(self, steps: int, rows: int) -> None:
        """See `Objective.expect`: what is saved is about two passes of an MLP."""
        if isinstance(self.model.network, MLP):
            self.model.expect(2 * steps, rows)

    def loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """J on a batch, a mean over rows of sums over coordinates."""
        # Where no row can have curvature, none is looked for.
        v = None if self.model.flat else rademacher(batch.x, generator)
        log_density, matching, curvature = self.model.slices(batch.x, v)
        loss = matching.mean()
        if self.settings.over == "last":
            loss = loss / math.prod(batch.x.shape[1:-1])
        bend = loss.new_zeros(()) if curvature is None else curvature.mean()
        return loss, {"curvature": bend, "log_density": log_density.detach().mean()}


def rademacher(like: Tensor, generator: torch.Generator) -> Tensor:
    """Signs with the shape and device of `like`, +1 and -1 alike."""
    return torch.empty_like(like, requires_grad=False).bernoulli_(0.5, generator=generator).mul_(2).sub_(1)


class SSM(ObjectiveSettings):
    """Settings of sliced score matching.

    Attributes:
        over: `last` sums over the last axis of an input alone and averages over its others, as published for
            images; None sums over all coordinates.
        optimiser: of the energy.
    """

    kind: Literal["ssm"] = "ssm"
    over: Literal["last"] | None = None
    optimiser: AdamW = AdamW()

    def start(
        self, model: DensityModel, classes: int, shape: tuple[int, ...], seed: int
    ) -> SlicedScoreMatching:
        """See `ObjectiveSettings.start`."""
        return SlicedScoreMatching(energy_model(model, "SSM"), self)

    def degenerate_on(self, model: ModelSettings) -> str | None:
        """Piecewise-linear networks have no curvature for score matching to reward."""
        if not model.piecewise_linear:
            return None
        return (
            "score matching on a piecewise-linear network: the curvature term is nowhere negative, so a "
            "constant log-density minimises the loss; choose a smooth activation (silu, softplus)"
        )

    def unbounded_on(self, x: np.ndarray) -> str | None:
        """The curvature at an atom may sink for ever, while the score there stays zero."""
        return atoms_of(x)
