"""A hook that keeps the best state seen, for early stopping and for the paper's selection."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class BestState:
    """Looks at a number every few epochs and keeps the module's state where it was highest.

    Args:
        module: whose state is kept, and put back at the end.
        evaluate: the number, higher is better. Called with the module in evaluation mode, without gradients;
            a NaN never counts as better.
        every: epochs between looks.
        patience: looks in a row without improvement after which training ends; None for never.
        identity: a digest of what the number depends on beside the module. A checkpoint whose hook has another one
            is not taken up: its best state may have been chosen by other rows.

    Attributes:
        best: the highest number seen; `best_epoch` where.
    """

    def __init__(
        self,
        module: nn.Module,
        evaluate: Callable[[], float],
        every: int,
        patience: int | None = None,
        identity: str = "",
    ):
        self.module = module
        self.evaluate = evaluate
        self.every = every
        self.patience = patience
        self.identity = identity
        self.best = -math.inf
        self.best_epoch: int | None = None
        self._state: dict[str, Tensor] | None = None
        self._looks_since = 0

    def after_epoch(self, epoch: int) -> bool:
        """See `Hook.after_epoch`."""
        if epoch % self.every:
            return False
        self.module.eval()
        with torch.no_grad():
            value = self.evaluate()
        self.module.train()
        if value > self.best:
            self.best, self.best_epoch, self._looks_since = value, epoch, 0
            self._state = {name: tensor.clone() for name, tensor in self.module.state_dict().items()}
        else:
            self._looks_since += 1
        return self.patience is not None and self._looks_since >= self.patience

    def at_end(self) -> None:
        """Put the best state back, if there was a look at all."""
        if self._state is not None:
            self.module.load_state_dict(self._state)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """See `Hook.state`."""
        numbers = {"best": self.best, "best_epoch": self.best_epoch, "looks_since": self._looks_since}
        return self._state or {}, numbers

    def restore(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """See `Hook.restore`."""
        self.best, self.best_epoch = numbers["best"], numbers["best_epoch"]
        self._looks_since = numbers["looks_since"]
        self._state = tensors or None
