"""A hook that restores the best state of a module, for early stopping and for the model selection of the paper."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class BestState:
    """Evaluates a module every few epochs, and restores the state with the highest value at the end.

    Args:
        module: the module.
        evaluate: function that returns the value, higher is better. It is called with the module in evaluation mode,
            without gradients. A NaN never counts as better.
        every: epochs between evaluations.
        patience: consecutive evaluations without improvement after which training stops; None for never.
        identity: digest of everything other than the module that the value depends on. A run does not resume from a
            checkpoint with another identity, because other rows may have chosen its best state.

    Attributes:
        best: the highest value so far; minus infinity before the first evaluation.
        best_epoch: its epoch, counted from 1; None before the first evaluation.
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
        self._since_best = 0

    def after_epoch(self, epoch: int) -> bool:
        """Evaluate the module if it is time. Return whether `patience` is exhausted."""
        if epoch % self.every:
            return False
        self.module.eval()
        with torch.no_grad():
            value = self.evaluate()
        self.module.train()
        if value > self.best:
            self.best, self.best_epoch, self._since_best = value, epoch, 0
            self._state = {name: tensor.clone() for name, tensor in self.module.state_dict().items()}
        else:
            self._since_best += 1
        return self.patience is not None and self._since_best >= self.patience

    def at_end(self) -> None:
        """Restore the best state, if there was an evaluation."""
        if self._state is not None:
            self.module.load_state_dict(self._state)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the best state, and its value and epoch."""
        numbers = {"best": self.best, "best_epoch": self.best_epoch, "looks_since": self._since_best}
        return self._state or {}, numbers

    def restore(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """Replace the best state, its value and epoch by those that `state` returned."""
        self.best, self.best_epoch = numbers["best"], numbers["best_epoch"]
        self._since_best = numbers["looks_since"]
        self._state = tensors or None
