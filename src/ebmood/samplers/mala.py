"""The Metropolis-adjusted Langevin algorithm (Roberts & Tweedie 1996): Langevin steps that may be refused.

    y = x + a grad log p(x) + sqrt(2 a) N(0, I),   taken with probability
    min(1, p(y) q(x|y) / (p(x) q(y|x))),           q(y|x) = N(y; x + a grad log p(x), 2 a I)

It leaves p invariant whatever the step size, where SGLD with matched noise does so only as a goes to 0; so steps can be
several times as long, and no chain runs off along a direction that is too steep for it. Both sides of the ratio come
from the pass that gives the gradient: a step costs what one of SGLD costs, and a chain one pass more.
"""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ebmood.models import EnergyModel
from ebmood.settings import Settings


class MALA(Settings):
    """Metropolis-adjusted Langevin chains, at temperature one.

    Attributes:
        steps: proposals of each chain.
        step_size: `a`; best where a half to two thirds of the proposals are taken.
    """

    kind: Literal["mala"] = "mala"
    steps: Annotated[int, Field(ge=1)] = 10
    step_size: Annotated[float, Field(gt=0)] = 0.01

    def run(self, model: EnergyModel, x: Tensor, y: Tensor | None, generator: torch.Generator) -> Tensor:
        """Chains on `F`, or on `f[y]`, from starts `x` `(N, *shape)`: their ends."""
        return self.sample(model.climb(y), x, generator)

    @torch.no_grad()
    def sample(
        self, climb: Callable[[Tensor], tuple[Tensor, Tensor]], x: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """Run the chains that start at `x`.

        Args:
            climb: a log-density `(N,)`, up to a constant, and its gradient, of `(N, *shape)`.
            x: starts, `(N, *shape)`; not changed.
            generator: source of noise and of refusals, on the device of `x`.

        Returns:
            The ends of the chains, `(N, *shape)`, detached.
        """
        a = self.step_size
        x = x.detach().clone()
        log_p, score = climb(x)
        score = score.clone()  # the next call may overwrite it
        for _ in range(self.steps):
            noise = torch.empty_like(x).normal_(generator=generator)
            y = x.add(score, alpha=a).add_(noise, alpha=(2 * a) ** 0.5)
            log_p_y, score_y = climb(y)
            forth = 0.5 * noise.square().flatten(1).sum(1)
            back = (x - y).sub_(score_y, alpha=a).square_().flatten(1).sum(1) / (4 * a)
            chance = torch.rand(len(x), generator=generator, device=x.device, dtype=x.dtype)
            # A proposal whose density is not finite compares false, and is refused.
            taken = chance.log() < log_p_y - log_p + forth - back
            log_p = torch.where(taken, log_p_y, log_p)
            rows = taken.view(-1, *[1] * (x.ndim - 1))
            x, score = torch.where(rows, y, x), torch.where(rows, score_y, score)
        return x
