"""A time at which the trainings of a process write a checkpoint and stop, to go on in a later process."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from lightning_fabric import Fabric

from ebmood.training.data_parallel import any_rank

_DEADLINE: ContextVar[float | None] = ContextVar("deadline", default=None)


class TrainingStoppedError(Exception):
    """A training reached its deadline. Its newest checkpoint has the state after the last step."""


@contextmanager
def stop_trainings_at(deadline: float | None) -> Iterator[None]:
    """Stop all trainings inside the context that write checkpoints, as soon as a step ends after `deadline`.

    They raise a `TrainingStoppedError`. With several processes, each of them enters this context.

    Args:
        deadline: seconds since the epoch, as `time.time` returns; None for no deadline.
    """
    token = _DEADLINE.set(deadline)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def deadline_passed(fabric: Fabric) -> bool:
    """Return whether the deadline has passed for any process; the same in all processes."""
    deadline = _DEADLINE.get()
    return deadline is not None and any_rank(time.time() >= deadline, fabric)
