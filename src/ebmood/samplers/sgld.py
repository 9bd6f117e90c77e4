"""Stochastic gradient Langevin dynamics (Welling & Teh 2011), as energy models are trained with it.

    x <- x + a grad_x log p(x) + b N(0, I)

The chain leaves p invariant (as a goes to 0) when `b^2 = 2 a`. The published recipes use a = 1 and b = 0.01, which is a
chain at temperature `b^2 / (2 a) = 5e-5`: gradient ascent with a little noise, whose samples lie near the modes.
"""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, NonNegativeInt
from torch import Tensor

from ebmood.core.settings import NonNegative, Settings, increasing
from ebmood.models import EnergyModel
from ebmood.networks import Precision, autocast


class SGLD(Settings):
    """Settings of Langevin chains.

    Attributes:
        steps: gradient steps of each chain.
        step_size: `a`, the factor of the gradient.
        noise: `b`, the standard deviation of the noise that is added at every step.
        clip: interval that samples are clamped to after every step, or None.
        precision: `bf16` computes the gradients of image networks in bfloat16, at about twice the speed. Positions and
            noise stay as they are. None for float32 throughout.
    """

    kind: Literal["sgld"] = "sgld"
    steps: NonNegativeInt = 100
    step_size: NonNegative = 1.0
    noise: NonNegative = 0.01
    clip: Annotated[tuple[float, float], AfterValidator(increasing)] | None = None
    precision: Precision | None = None

    def run(self, model: EnergyModel, x: Tensor, y: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return the ends of chains on `F`, or on `f[y]`, that start at `x` `(N, *shape)`."""
        return self.sample(lambda x: model.value_and_grad(x, y)[1], x, generator)

    def sample(
        self, score: Callable[[Tensor], Tensor], x: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """Run the chains that start at `x`.

        Args:
            score: gradient of the log-density, `(N, *shape) -> (N, *shape)`, detached.
            x: starts, `(N, *shape)`; not modified.
            generator: source of the noise, on the device of `x`.

        Returns:
            The ends of the chains, `(N, *shape)`, detached.

        >>> chain = SGLD(steps=100, step_size=0.1, noise=0.0)  # gradient ascent
        >>> chain.sample(lambda x: -(x - 3), torch.zeros(1, 2), None)  # log p(x) = -|x - 3|^2 / 2
        tensor([[2.9999, 2.9999]])
        """
        x = x.detach().clone()
        noise = torch.empty_like(x)
        with autocast(self.precision, x.device):  # around the whole chain, so that weights are converted once
            for _ in range(self.steps):
                x.add_(score(x), alpha=self.step_size)
                x.add_(noise.normal_(generator=generator), alpha=self.noise)
                if self.clip is not None:
                    x.clamp_(*self.clip)
        return x
