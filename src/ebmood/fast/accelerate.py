"""The entry point: faster implementations of a few operations, for the duration of a training."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain

import torch

from ebmood.fast import mlp, posterior, radial, upsampling, wideresnet
from ebmood.fast.operation import Plan
from ebmood.objectives import Objective

PROVIDERS = (
    mlp.operations,
    wideresnet.operations,
    posterior.operations,
    radial.operations,
    upsampling.operations,
)
"""Functions that list the operations which they implement faster. A new one is one file and one entry here."""


@contextmanager
def accelerate(objective: Objective, steps: int, rows: int, compile: bool | None = None) -> Iterator[None]:
    """Return a context in which the modules of an objective use faster implementations.

    Results equal those of the reference up to rounding. Replacements are for training: in evaluation mode, and for
    arguments that they do not support, they call the reference.

    Args:
        objective: the objective; its modules are on their device.
        steps: number of steps of the training.
        rows: rows per batch.
        compile: whether C++ is compiled, on a CPU; None where compiling takes less time than it saves.
    """
    plan = Plan(objective, steps, rows, compile)
    keep_heap()
    with ExitStack() as stack:
        for operation in chain.from_iterable(provider(plan) for provider in PROVIDERS):
            stack.enter_context(operation.installed())
        yield


def keep_heap() -> None:
    """Make glibc's malloc keep the memory of a step for the next step.

    Freeing one large block raises malloc's threshold for returning memory to the system. Without it, every step may
    return its memory and fault it in again, which takes 7 % of a step of score matching on an MLP.
    """
    torch.empty(31 << 20, dtype=torch.uint8)
