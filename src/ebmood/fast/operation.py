"""What `accelerate` exchanges: one method of one module, for the duration of a training."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import nn

from ebmood.objectives import Objective, Supervised


@dataclass(frozen=True)
class Operation:
    """A faster implementation of a method.

    Attributes:
        module: the module whose method is replaced.
        method: name of the method.
        function: its replacement; it takes the same arguments as the bound method.
    """

    module: nn.Module
    method: str
    function: Callable[..., Any]

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Return a context in which the module uses the replacement: an instance attribute hides the class's method."""
        setattr(self.module, self.method, self.function)
        try:
            yield
        finally:
            delattr(self.module, self.method)


@dataclass(frozen=True)
class Plan:
    """What is known of a training before it starts.

    Attributes:
        objective: the objective.
        steps: number of steps.
        rows: rows per batch.
        compile: whether C++ is compiled; None where compiling takes less time than it saves.
    """

    objective: Objective
    steps: int
    rows: int
    compile: bool | None

    @property
    def inner(self) -> Objective:
        """The objective without its supervision."""
        return self.objective.objective if isinstance(self.objective, Supervised) else self.objective


def reference(module: nn.Module, method: str) -> Callable[..., Any]:
    """Return the method of the module's class, bound to the module: what a replacement falls back to."""
    return getattr(type(module), method).__get__(module)
