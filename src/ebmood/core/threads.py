"""The number of threads, chosen from the work, and one thread in forked processes.

The threads of an OpenMP pool exist only in the process that started them. A child of `fork` inherits the pool but not
its threads, and its first parallel computation would wait for them forever (GNU libgomp; `torch.utils.data` sets one
thread in its workers for the same reason). A child therefore computes on one thread, which needs no pool.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

SMALL_WORK = 2e10
"""Multiplications below which one thread is used: about a second of work."""

_is_forked = False


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


def openmp_threads() -> AbstractContextManager[object]:
    """Return a context in which OpenMP libraries other than torch's can compute: on one thread in a forked process.

    scikit-learn has an OpenMP library of its own, whose number of threads torch does not set.
    """
    if not _is_forked:
        return nullcontext()
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="openmp")


def _compute_on_one_thread() -> None:
    global _is_forked
    _is_forked = True
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_compute_on_one_thread)
