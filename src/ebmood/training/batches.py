"""Batches without end: every epoch a new order, the last partial batch dropped."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from ebmood.core.errors import DataWarning
from ebmood.objectives import Batch


class Batches:
    """Rows in random order, epoch after epoch.

    Args:
        x: `(N, *shape)` on the training device.
        y: `(N,)` or None.
        size: rows a batch; cut to N where there are fewer rows.
        generator: source of the order, on the CPU, so that it is the same on every device.
        prepare: what becomes of the rows of each batch before the objective sees them; nothing if None.

    Warns:
        DataWarning: there are fewer rows than `size`.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor | None,
        size: int,
        generator: torch.Generator,
        prepare: Callable[[Tensor], Tensor] | None = None,
    ):
        self.x = x
        self.prepare = prepare or (lambda rows: rows)
        self.y = y
        self.size = min(size, len(x))
        if self.size < size:
            warnings.warn(
                f"{len(x)} training rows: batches hold {len(x)}, not {size}", DataWarning, stacklevel=4
            )
        self.generator = generator
        self._begin_epoch()

    @property
    def per_epoch(self) -> int:
        """Batches an epoch, at least one."""
        return len(self.x) // self.size

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> Batch:
        if self._place == self.per_epoch:
            self._begin_epoch()
        rows = self._order[self._place * self.size : (self._place + 1) * self.size]
        self._place += 1
        return Batch(self.prepare(self.x[rows]), None if self.y is None else self.y[rows])

    def state(self) -> tuple[Tensor, int]:
        """Where in which order: the generator's state before this epoch's order was drawn, and batches seen."""
        return self._before, self._place

    def restore(self, before: Tensor, place: int) -> None:
        """Go on from a `state`: the next batch is the one that followed it."""
        self.generator.set_state(before)
        self._begin_epoch()
        self._place = place

    def _begin_epoch(self) -> None:
        self._before = self.generator.get_state()
        self._order = torch.randperm(len(self.x), generator=self.generator).to(self.x.device)
        self._place = 0
