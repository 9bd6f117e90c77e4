"""Persistent chains: the ends of earlier chains are the starts of new ones (Tieleman 2008; Du & Mordatch 2019)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ReplayBuffer(nn.Module):
    """A buffer of chain ends, initialised with U(-1, 1); slot i belongs to class `i % classes`.

    It is a module, so that the samples move and are saved with the objective that owns them.

    Args:
        size: number of slots.
        shape: shape of one sample.
        restart: fraction of chains that start from U(-1, 1) instead of from their slot.
        classes: number of classes; 1 for chains without classes.
        generator: source of the initial samples, on the CPU.
    """

    samples: Tensor

    def __init__(
        self,
        size: int,
        shape: Sequence[int],
        restart: float,
        classes: int,
        generator: torch.Generator,
    ):
        super().__init__()
        self.register_buffer("samples", torch.rand(size, *shape, generator=generator) * 2 - 1)
        self.restart = restart
        self.classes = classes

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw the starts of `count` chains. Every slot is equally likely.

        Args:
            count: number of chains.
            generator: source of randomness, on the device of the buffer.

        Returns:
            Starts `(count, *shape)`, slots `(count,)` and classes `(count,)`.
        """
        device = self.samples.device
        slots = torch.randint(len(self.samples), (count,), generator=generator, device=device)
        x = self.samples[slots]
        restarted = torch.rand(count, generator=generator, device=device) < self.restart
        noise = torch.empty_like(x).uniform_(-1, 1, generator=generator)
        x = torch.where(restarted.view(-1, *[1] * (x.ndim - 1)), noise, x)
        return x, slots, slots % self.classes

    def put(self, slots: Tensor, x: Tensor) -> None:
        """Store chain ends `(N, *shape)` in their slots `(N,)`. The last of several rows for one slot is stored."""
        # Plain assignment does not define which of several rows wins on CUDA or with threads.
        order = torch.arange(len(slots), device=slots.device)
        last = order.new_zeros(len(self.samples)).scatter_reduce_(0, slots, order, "amax")
        self.samples[slots] = x[last[slots]]
