"""The Metropolis-adjusted Langevin algorithm (Roberts & Tweedie 1996): Langevin proposals that may be rejected.

    y = x + a grad log p(x) + sqrt(2 a) N(0, I),   accepted with probability
    min(1, p(y) q(x|y) / (p(x) q(y|x))),           q(y|x) = N(y; x + a grad log p(x), 2 a I)

It leaves p invariant for every step size; SGLD with `b^2 = 2 a` does so only as a goes to 0. Steps can therefore be
several times as long, and no chain diverges along a steep direction. The densities come from the same pass as the
gradients: a step costs as much as a step of SGLD, and a chain costs one more pass.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ebmood.core.settings import Positive, Settings
from ebmood.models import EnergyModel


class MALA(Settings):
    """Metropolis-adjusted Langevin chains, at temperature one.

    Attributes:
        steps: proposals of each chain.
        step_size: `a`; best where a half to two thirds of the proposals are accepted.
    """

    kind: Literal["mala"] = "mala"
    steps: Annotated[int, Field(ge=1)] = 10
    step_size: Positive = 0.01

    def run(self, model: EnergyModel, x: Tensor, y: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return the ends of chains on `F`, or on `f[y]`, that start at `x` `(N, *shape)`."""
        return self.sample(partial(model.value_and_grad, y=y), x, generator)

    @torch.no_grad()
    def sample(
        self,
        value_and_grad: Callable[[Tensor], tuple[Tensor, Tensor]],
        x: Tensor,
        generator: torch.Generator | None,
    ) -> Tensor:
        """Run the chains that start at `x`.

        Args:
            value_and_grad: a log-density `(N,)`, up to a constant, and its gradient, of rows `(N, *shape)`.
            x: starts, `(N, *shape)`; not modified.
            generator: source of the noise and of the acceptances, on the device of `x`.

        Returns:
            The ends of the chains, `(N, *shape)`, detached.

        >>> def standard_normal(x):
        ...     return -0.5 * x.square().sum(1), -x
        >>> generator = torch.Generator().manual_seed(0)
        >>> x = MALA(steps=50, step_size=0.5).sample(standard_normal, torch.zeros(1000, 2), generator)
        >>> bool((x.std(0) - 1).abs().max() < 0.2)
        True
        """
        a = self.step_size
        x = x.detach().clone()
        log_p, score = value_and_grad(x)
        for _ in range(self.steps):
            noise = torch.empty_like(x).normal_(generator=generator)
            y = x + a * score + (2 * a) ** 0.5 * noise
            log_p_y, score_y = value_and_grad(y)
            minus_log_q_forward = 0.5 * noise.square().flatten(1).sum(1)
            minus_log_q_backward = (x - y - a * score_y).square().flatten(1).sum(1) / (4 * a)
            uniform = torch.rand(len(x), generator=generator, device=x.device, dtype=x.dtype)
            # A proposal whose density is not finite compares false and is rejected.
            accepted = uniform.log() < log_p_y - log_p + minus_log_q_forward - minus_log_q_backward
            log_p = torch.where(accepted, log_p_y, log_p)
            rows = accepted.view(-1, *[1] * (x.ndim - 1))
            x, score = torch.where(rows, y, x), torch.where(rows, score_y, score)
        return x
