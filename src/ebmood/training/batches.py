"""Batches without end: every epoch a new order, the last partial batch dropped."""

import warnings
from collections.abc import Iterator

import torch
from torch import Tensor

from ebmood.errors import DataWarning
from ebmood.objectives import Batch


class Batches:
    """Rows in random order, epoch after epoch.

    Args:
        x: `(N, *shape)` on the training device.
        y: `(N,)` or None.
        size: rows a batch; cut to N where there are fewer rows.
        generator: source of the order, on the CPU, so that it is the same on every device.

    Warns:
        DataWarning: there are fewer rows than `size`.
    """

    def __init__(self, x: Tensor, y: Tensor | None, size: int, generator: torch.Generator):
        self.x = x
        self.y = y
        self.size = min(size, len(x))
        if self.size < size:
            warnings.warn(
                f"{len(x)} training rows: batches hold {len(x)}, not {size}", DataWarning, stacklevel=3
            )
        self.generator = generator

    @property
    def per_epoch(self) -> int:
        """Batches an epoch, at least one."""
        return len(self.x) // self.size

    def __iter__(self) -> Iterator[Batch]:
        while True:
            order = torch.randperm(len(self.x), generator=self.generator).to(self.x.device)
            for start in range(0, self.per_epoch * self.size, self.size):
                rows = order[start : start + self.size]
                yield Batch(self.x[rows], None if self.y is None else self.y[rows])
