"""A generator with Gaussian output noise."""

import math

import torch
from torch import Tensor, nn


class NoisyGenerator(nn.Module):
    """`q(x|h) = N(g(h), sigma^2 I)` with `h ~ N(0, I)` and one learnt sigma.

    Args:
        network: g, `(N, noise) -> (N, *shape)`.
        noise: dimension of h.
        sigma: initial standard deviation of the output noise.
        bounds: smallest and largest sigma.
    """

    def __init__(self, network: nn.Module, noise: int, sigma: float, bounds: tuple[float, float]):
        super().__init__()
        self.network = network
        self.noise = noise
        self.log_sigma = nn.Parameter(torch.tensor(math.log(sigma)))
        self.bounds = bounds

    def clamp(self) -> None:
        """Clamp sigma to its bounds. Called after an optimiser's step, so that the gradient of sigma never vanishes."""
        with torch.no_grad():
            self.log_sigma.clamp_(math.log(self.bounds[0]), math.log(self.bounds[1]))

    def forward(self, h: Tensor) -> Tensor:
        """Return the mean `g(h)`: `(N, noise) -> (N, *shape)`."""
        return self.network(h)

    def sample(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw samples with the reparametrisation `x = g(h) + sigma * noise`.

        Args:
            count: number of samples.
            generator: source of h and of the noise, on the generator network's device.

        Returns:
            x `(count, *shape)`, which carries gradients, and h `(count, noise)`.
        """
        h = self.log_sigma.new_empty(count, self.noise).normal_(generator=generator)
        mean = self.network(h)
        noise = torch.empty_like(mean, requires_grad=False).normal_(generator=generator)
        return mean + self.log_sigma.exp() * noise, h
