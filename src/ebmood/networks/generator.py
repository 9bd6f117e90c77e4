"""A generator with Gaussian output noise: VERA's auxiliary distribution q."""

import math

import torch
from torch import Tensor, nn


class NoisyGenerator(nn.Module):
    """`q(x|h) = N(g(h), sigma^2 I)`, `h ~ N(0, I)`, with one learnt sigma.

    Args:
        network: g, `(N, noise) -> (N, *shape)`.
        noise: dimension of h.
        sigma: the width at the start.
        bounds: the interval that sigma is kept in.
    """

    def __init__(self, network: nn.Module, noise: int, sigma: float, bounds: tuple[float, float]):
        super().__init__()
        self.network = network
        self.noise = noise
        self.log_sigma = nn.Parameter(torch.tensor(math.log(sigma)))
        self.bounds = bounds

    def clamp(self) -> None:
        """Put sigma back into its bounds (after an optimiser's step, so that its gradient never dies there)."""
        with torch.no_grad():
            self.log_sigma.clamp_(math.log(self.bounds[0]), math.log(self.bounds[1]))

    def forward(self, h: Tensor) -> Tensor:
        """The mean `g(h)`: `(N, noise) -> (N, *shape)`."""
        return self.network(h)

    def sample(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """`count` samples x `(N, *shape)` and the h `(N, noise)` they came from; x carries gradients."""
        h = self.log_sigma.new_empty(count, self.noise).normal_(generator=generator)
        mean = self.network(h)
        noise = torch.empty_like(mean, requires_grad=False).normal_(generator=generator)
        return mean + self.log_sigma.exp() * noise, h
