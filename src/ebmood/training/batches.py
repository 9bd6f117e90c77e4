"""An endless iterator over batches: a new order in every epoch, without the last incomplete batch."""

from collections.abc import Callable

import torch
from torch import Tensor

from ebmood.core.errors import DataWarning, warn
from ebmood.objectives import Batch


class Batches:
    """Batches of rows in random order, epoch after epoch.

    Args:
        x: rows `(N, *shape)` on the training device.
        y: classes `(N,)`, or None.
        size: number of rows in a batch; reduced to N if N is smaller.
        generator: generator of the order, on the CPU, so that the order does not depend on the device.
        prepare: function of the rows of a batch that returns the inputs of the objective; None for the identity.

    Warns:
        DataWarning: N is smaller than `size`.
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
            warn(f"{len(x)} training rows: batches have {len(x)} rows, not {size}", DataWarning)
        self.generator = generator
        self._begin_epoch()

    @property
    def per_epoch(self) -> int:
        """Number of batches in an epoch, at least one."""
        return len(self.x) // self.size

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> Batch:
        if self._position == self.per_epoch:
            self._begin_epoch()
        rows = self._order[self._position * self.size : (self._position + 1) * self.size]
        self._position += 1
        return Batch(self.prepare(self.x[rows]), None if self.y is None else self.y[rows])

    def state(self) -> tuple[Tensor, int]:
        """Return the generator's state before it drew the order of this epoch, and the number of batches since."""
        return self._epoch_start, self._position

    def restore(self, epoch_start: Tensor, position: int) -> None:
        """Continue after the batch that came before a call of `state`."""
        self.generator.set_state(epoch_start)
        self._begin_epoch()
        self._position = position

    def _begin_epoch(self) -> None:
        self._epoch_start = self.generator.get_state()
        self._order = torch.randperm(len(self.x), generator=self.generator).to(self.x.device)
        self._position = 0
