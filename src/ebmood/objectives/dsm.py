"""Denoising score matching (Vincent 2011; at several noise levels: Song & Ermon 2019, eq. 6 with weight sigma^2).

    J = E_x E_e | sigma grad log p(x + sigma e) + e |^2,    e ~ N(0, I)

The minimiser is the log-density of the data under noise of standard deviation sigma. Neither a normalising constant nor
second derivatives with respect to x are needed.
"""

from typing import Literal

import torch
from torch import Tensor

from ebmood.core.seeding import torch_stream
from ebmood.core.settings import Positive
from ebmood.models import DensityModel, EnergyModel
from ebmood.models.denoising import DenoisingEnergy
from ebmood.objectives.objective import (
    AdamW,
    Batch,
    Loss,
    Objective,
    ObjectiveSettings,
    Player,
    SinglePlayerObjective,
    SinglePlayerSettings,
    require_energy_model,
)


class DenoisingScoreMatching(SinglePlayerObjective):
    """Denoising score matching at one noise level; the formula is in the module's docstring."""

    model: EnergyModel
    settings: "DSM"

    def loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """Return J of a batch, a mean over rows of sums over coordinates."""
        return self.denoising_loss(batch.x, generator), {}

    def validation_loss(self, x: Tensor) -> Tensor:
        """Return J of held-out rows, with the same noise at every call."""
        with torch.enable_grad():  # scores are gradients
            return self.denoising_loss(x, torch_stream(0, "validation", x.device)).detach()

    def denoising_loss(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return J of rows `(N, *shape)`, a scalar."""
        sigma = self.settings.sigma
        noise = torch.empty_like(x).normal_(generator=generator)
        noisy = (x + sigma * noise).requires_grad_(True)
        (score,) = torch.autograd.grad(self.model.log_density(noisy).sum(), noisy, create_graph=True)
        return (sigma * score + noise).square().flatten(1).sum(1).mean()


class MultilevelDenoising(Objective):
    """Denoising score matching of a `DenoisingEnergy`, with one noise level drawn for each row.

    Args:
        model: the model to train; only its network changes.
        optimiser: optimiser of the network.
    """

    model: DenoisingEnergy

    def __init__(self, model: DenoisingEnergy, optimiser: AdamW):
        super().__init__()
        self.model = model
        self.optimiser = optimiser

    def players(self) -> tuple[Player, ...]:
        """Return the only player, the energy."""
        return (Player("energy", tuple(self.model.network.parameters()), self.loss, self.optimiser),)

    def loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """Return J of a batch, a mean over rows of sums over coordinates."""
        return self.denoising_loss(batch.x, generator), {}

    def validation_loss(self, x: Tensor) -> Tensor:
        """Return J of held-out rows, with the same noise at every call and sixteen noisy copies of a row."""
        with torch.enable_grad():  # scores are gradients
            return self.denoising_loss(x.repeat(16, 1), torch_stream(0, "validation", x.device)).detach()

    def denoising_loss(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return J of rows `(N, D)`, a scalar."""
        levels = torch.randint(len(self.model.sigmas), (len(x), 1), generator=generator, device=x.device)
        sigma = self.model.sigmas.to(x.dtype)[levels]
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        noisy = (x + sigma * noise).requires_grad_(True)
        base_score = self.model.base.smoothed_score(noisy, sigma)  # does not depend on the network
        log_ratio = self.model.network(noisy).gather(1, levels) / sigma
        (network_score,) = torch.autograd.grad(log_ratio.sum(), noisy, create_graph=True)
        return (sigma * (base_score + network_score) + noise).square().sum(1).mean()


class DSM(SinglePlayerSettings):
    """Settings of denoising score matching at one noise level.

    Attributes:
        sigma: standard deviation of the noise, > 0, in units of the scaled data.
    """

    kind: Literal["dsm"] = "dsm"
    sigma: Positive = 0.05

    def build(
        self, model: DensityModel, classes: int, shape: tuple[int, ...], seed: int
    ) -> DenoisingScoreMatching:
        """Implement `ObjectiveSettings.build`."""
        return DenoisingScoreMatching(require_energy_model(model, "DSM"), self)


class MultilevelDSM(ObjectiveSettings):
    """Settings of denoising score matching at several noise levels, which are those of the model.

    Attributes:
        optimiser: optimiser of the network.
    """

    kind: Literal["multilevel-dsm"] = "multilevel-dsm"
    optimiser: AdamW = AdamW()

    def build(
        self, model: DensityModel, classes: int, shape: tuple[int, ...], seed: int
    ) -> MultilevelDenoising:
        """Implement `ObjectiveSettings.build`.

        Raises:
            TypeError: the model has no noise levels.
        """
        if not isinstance(model, DenoisingEnergy):
            raise TypeError(f"multilevel DSM trains denoising energies, not {type(model).__name__}")
        return MultilevelDenoising(model, self.optimiser)
