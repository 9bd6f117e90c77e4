"""What runs on the workers of a Dask cluster."""

import ctypes
import pickle
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from typing import Any

from ebmood.core.errors import EbmoodError

CHECK_SECONDS = 1.0
"""Time between two checks whether the running task was cancelled."""

_ONE_TASK = threading.Lock()


class _CancelledError(BaseException):
    """Raised inside a cancelled task. It is a BaseException, so that the task does not catch it by accident."""


def run_task(task: bytes) -> Any:
    """Run a pickled task `(function, args, kwargs)` and return its result. A process runs one task at a time.

    Raises:
        EbmoodError: the task raised it; the name of this machine is added to the message.
        BrokenExecutor: the task was cancelled.
    """
    try:
        with _ONE_TASK, _stop_when_cancelled():
            function, args, kwargs = pickle.loads(task)
            return function(*args, **kwargs)
    except EbmoodError as error:
        raise EbmoodError(f"on {socket.gethostname()}: {error}") from error
    except _CancelledError:
        raise BrokenExecutor("cancelled") from None


@contextmanager
def _stop_when_cancelled() -> Iterator[None]:
    """Raise an error inside the context when its Dask task is cancelled. Dask itself does not stop running tasks."""
    from distributed import get_worker

    worker = get_worker()
    key, thread, done = worker.get_current_task(), threading.get_ident(), threading.Event()

    def check() -> None:
        while not done.wait(CHECK_SECONDS):
            task = worker.state.tasks.get(key)
            if task is None or task.state == "cancelled":
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(thread), ctypes.py_object(_CancelledError)
                )
                return

    threading.Thread(target=check, daemon=True).start()
    try:
        yield
    finally:
        done.set()
