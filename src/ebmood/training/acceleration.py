"""The one place that connects the training loop with `ebmood.fast`, which may be absent."""

from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec

from ebmood.objectives import Objective


def acceleration(
    objective: Objective, steps: int, rows: int, fast: bool | None
) -> AbstractContextManager[None]:
    """Return a context in which the objective's modules use faster implementations.

    Args:
        objective: the objective; its modules are on their device.
        steps: number of steps of the training.
        rows: rows per batch.
        fast: False for the reference; True to compile C++ in any case; None to compile where that saves time.
    """
    if fast is False or find_spec("ebmood.fast") is None:
        return nullcontext()
    from ebmood.fast import accelerate

    return accelerate(objective, steps, rows, compile=fast)
