"""An executor of one process on this machine. Imports up here are light: threads are pinned before libraries load."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any


class OneProcess(Executor):
    """An executor of one spawned process, so that a process that dies takes one piece of work with it and no other.

    The process ends with its parent, however that ends, and does not hear Ctrl-C: its parent decides.
    """

    def __init__(self) -> None:
        context = get_context("spawn")
        ours, self._leash = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(1, mp_context=context, initializer=_begin, initargs=(ours,))
        self._end = ours

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future:
        """As in `Executor`."""
        with deaf_to_interrupts():
            return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As in `Executor`, except that `cancel_futures` also ends what is running."""
        if cancel_futures:
            self._leash.close()
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)
        self._leash.close()
        self._end.close()


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """A process or thread started inside inherits a mask that keeps Ctrl-C from it, while it imports and after."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, whatever else runs, so that numbers do not depend on how much does."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield


def _begin(leash: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    threading.Thread(target=_end_with_parent, args=(leash,), daemon=True).start()


def _end_with_parent(leash: Connection) -> None:
    # Nothing is ever sent: this returns when the other end is closed, or its process is gone.
    leash.poll(None)
    os._exit(1)
