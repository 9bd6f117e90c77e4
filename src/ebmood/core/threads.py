"""The number of threads, chosen from the work."""

from collections.abc import Iterator
from contextlib import contextmanager

SMALL_WORK = 2e10
"""Multiplications below which one thread is used: about a second of work."""


@contextmanager
def threads_for(multiplications: float) -> Iterator[None]:
    """Compute the block on one thread if the work is small, and else on as many as before.

    On a busy machine, threads that share small pieces of work wait for each other longer than they compute.
    """
    import torch

    before = torch.get_num_threads()
    if multiplications < SMALL_WORK and before > 1:
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
    else:
        yield
