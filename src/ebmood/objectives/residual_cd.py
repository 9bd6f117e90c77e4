"""Contrastive divergence of a residual energy: chains start from the base density (HEAT, Lafon et al. 2023).

    L = mean F(x-) - mean F(x+),    F(x) = log q(x) + f(x)

q is the base of an `AnchoredEnergy`, and f is its network. A sample of q is close to a sample of p wherever the base is
good, so that a few steps of a chain at temperature one suffice. There is no penalty: the gradient of L is that of the
likelihood as far as the chains have converged. With `buffer`, chains are persistent (Tieleman 2008): they continue from
the ends of earlier ones, and only a fraction `restart` of them starts from q again.
"""

from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor

from ebmood.core.errors import InputError
from ebmood.core.seeding import torch_stream
from ebmood.core.settings import Fraction
from ebmood.models import AnchoredEnergy, DensityModel
from ebmood.objectives.held_out import held_out_contrast
from ebmood.objectives.objective import Batch, Loss, SinglePlayerObjective, SinglePlayerSettings
from ebmood.samplers import MALA


class ResidualContrastiveDivergence(SinglePlayerObjective):
    """Contrastive divergence with chains from the base; the formula is in the module's docstring.

    Args:
        model: the model to train; only its network has parameters.
        settings: settings of the objective.
        generator: source of the first samples in the buffer.

    Attributes:
        ends: ends of chains, `(slots, D)`; no slots without a buffer.
    """

    model: AnchoredEnergy
    settings: "ResidualCD"
    ends: Tensor

    def __init__(self, model: AnchoredEnergy, settings: "ResidualCD", generator: torch.Generator):
        super().__init__(model, settings)
        slots = settings.buffer or 0
        ends = (
            model.base.sample(slots, generator).float()
            if slots
            else torch.zeros(0, model.base.means.shape[1])
        )
        self.register_buffer("ends", ends)

    def loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """Return L of a batch and equally many negatives."""
        negatives, drift = self.negatives(len(batch.x), generator)
        data, chains = self.model.log_density(torch.cat([batch.x, negatives])).chunk(2)
        loss = chains.mean() - data.mean()
        return loss, {"data": data.detach().mean(), "negatives": chains.detach().mean(), "drift": drift}

    def negatives(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Run `count` chains. Return their ends `(count, D)`, and the mean of |end - start|.

        Raises:
            InputError: the buffer has fewer slots.
        """
        starts = self.model.base.sample(count, generator).to(self.ends.dtype)
        slots = None
        if len(self.ends):
            if len(self.ends) < count:
                raise InputError(
                    f"residual-cd: `buffer` has {len(self.ends)} slots, but a batch has {count} rows; set `buffer` to "
                    f"{count} or more, or remove it"
                )
            # Each slot at most once in a batch, so that no two chains write to one slot.
            slots = torch.randperm(len(self.ends), generator=generator, device=starts.device)[:count]
            restarted = (
                torch.rand(count, 1, generator=generator, device=starts.device) < self.settings.restart
            )
            starts = torch.where(restarted, starts, self.ends[slots])
        x = self.settings.chain.run(self.model, starts, None, generator)
        if slots is not None:
            self.ends[slots] = x
        return x, (x - starts).abs().mean()

    def validation_loss(self, x: Tensor) -> Tensor:
        """Return the contrast of held-out rows with the base, see `held_out_contrast`."""
        return held_out_contrast(self.model, self.model.base, x)

    def sample_negatives(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return ends of chains."""
        return {"chains": self.ends[:count] if len(self.ends) else self.negatives(count, generator)[0]}


class ResidualCD(SinglePlayerSettings):
    """Settings of contrastive divergence with chains from the base.

    Attributes:
        chain: Langevin chains at temperature one.
        buffer: slots of persistent chains, at least the rows of a batch; None starts every chain from the base.
        restart: fraction of persistent chains that start from the base again.
    """

    kind: Literal["residual-cd"] = "residual-cd"
    chain: MALA = MALA(steps=5, step_size=0.2)
    buffer: PositiveInt | None = None
    restart: Fraction = 0.05

    def build(
        self, model: DensityModel, classes: int, shape: tuple[int, ...], seed: int
    ) -> ResidualContrastiveDivergence:
        """Implement `ObjectiveSettings.build`.

        Raises:
            TypeError: the model is not anchored on a base density.
        """
        if not isinstance(model, AnchoredEnergy):
            raise TypeError(f"residual CD trains anchored energy models, not {type(model).__name__}")
        return ResidualContrastiveDivergence(model, self, torch_stream(seed, "chains"))
