"""Persistent chains: old chains' ends are new ones' starts (Tieleman 2008; Du & Mordatch 2019)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ReplayBuffer(nn.Module):
    """Slots of chain ends, first filled with U(-1, 1); slot i belongs to class `i % classes`.

    A module, so that the slots move and are saved with what owns them.

    Args:
        size: number of slots.
        shape: shape of one sample.
        restart: share of chains that start afresh from U(-1, 1) instead of from their slot.
        classes: number of classes that own slots in turn; 1 when chains know no class.
        generator: source of the first filling, on the CPU.
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

    def starts(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Starts of `count` chains: `(count, *shape)` points, `(count,)` slots and `(count,)` classes.

        `generator` is on the buffer's device. Every class is as likely, and every slot of the class.
        """
        device = self.samples.device
        slots = torch.randint(len(self.samples), (count,), generator=generator, device=device)
        x = self.samples[slots]
        fresh = torch.rand(count, generator=generator, device=device) < self.restart
        noise = torch.empty_like(x).uniform_(-1, 1, generator=generator)
        x = torch.where(fresh.view(-1, *[1] * (x.ndim - 1)), noise, x)
        return x, slots, slots % self.classes

    def put(self, slots: Tensor, x: Tensor) -> None:
        """Keep chain ends `(N, *shape)` in their slots `(N,)`; of several for one slot the last.

        Which one an assignment would keep is left open where rows are written side by side: on CUDA, or by threads.
        """
        order = torch.arange(len(slots), device=slots.device)
        last = order.new_zeros(len(self.samples)).scatter_reduce_(0, slots, order, "amax")
        self.samples[slots] = x[last[slots]]
