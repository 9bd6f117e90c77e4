"""An executor with a single process of this machine.

The top-level imports are light, because the number of threads must be set before numerical libraries are imported.
"""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any


class SingleProcessExecutor(Executor):
    """An executor with one spawned process. If the process dies, only the task that it was running is lost.

    The process ends when its parent ends, for any reason. It ignores Ctrl-C, so that the parent decides what to do.
    """

    def __init__(self) -> None:
        context = get_context("spawn")
        self._receiver, self._sender = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            1, mp_context=context, initializer=_initialise, initargs=(self._receiver,)
        )

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future:
        """Implement `Executor.submit`."""
        with block_interrupts():
            return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Implement `Executor.shutdown`. In addition, `cancel_futures` ends a running task."""
        if cancel_futures:
            self._sender.close()
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)
        self._sender.close()
        self._receiver.close()


@contextmanager
def block_interrupts() -> Iterator[None]:
    """Block Ctrl-C (SIGINT) inside the context. Processes and threads that start inside inherit the blocked signal."""
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
    """Compute on one thread, so that results do not depend on the number of tasks that run at the same time."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield


def _initialise(receiver: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    threading.Thread(target=_exit_with_parent, args=(receiver,), daemon=True).start()


def _exit_with_parent(receiver: Connection) -> None:
    # No data are sent: this returns when the parent closes its end or dies.
    receiver.poll(None)
    os._exit(1)
