"""An executor that runs one task at a time on a worker of a Dask cluster."""

import pickle
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ebmood.core.errors import EbmoodError, one_line
from ebmood.executors.dask_worker import run_task
from ebmood.executors.slurm import SlurmJobs

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 5.0
"""Time after which a scheduler that does not answer counts as lost."""

POLL_SECONDS = 0.5
"""Time between two checks for a free worker."""


class WorkerGate:
    """Limits the number of submitted tasks to the number of workers.

    A task that waits in the queue of a busy worker would be lost together with this worker.

    Args:
        client: client of the cluster.
        jobs: SLURM jobs of the workers, which are updated while tasks wait; None for other clusters.

    Attributes:
        error: the error after which no task can run, or None.
    """

    def __init__(self, client: "Client", jobs: SlurmJobs | None):
        self.error: EbmoodError | None = None
        self._client = client
        self._jobs = jobs
        self._jobs_lock = threading.Lock()  # separate, because SLURM can be slow
        self._lock = threading.Lock()
        self._busy = 0

    @contextmanager
    def worker(self, is_cancelled: Callable[[], bool]) -> Iterator[None]:
        """Wait for a free worker, and reserve it inside the context.

        Raises:
            BrokenExecutor: the task was cancelled while it waited.
            EbmoodError: no worker will become available.
        """
        while not self._reserve():
            if is_cancelled():
                raise BrokenExecutor("cancelled")
            time.sleep(POLL_SECONDS)
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1

    def _reserve(self) -> bool:
        if self._jobs is not None and self._jobs_lock.acquire(blocking=False):
            try:
                self._jobs.update()
            except EbmoodError as error:
                self.error = error
                raise
            finally:
                self._jobs_lock.release()
        workers: Any = self._client.nthreads()
        with self._lock:
            is_free = self._busy < len(workers)
            self._busy += is_free
        return is_free


class DaskExecutor(ThreadPoolExecutor):
    """An executor with one thread, which waits for a task on a worker of the cluster.

    Args:
        address: the option `--cluster`, for messages.
        client: client of the cluster.
        restart_seconds: time that a dead worker has to restart; None to wait for workers without limit.
        gate: shared by all executors of the cluster.

    Raises:
        EbmoodError: the scheduler is lost, or no worker will become available.
    """

    def __init__(self, address: str, client: "Client", restart_seconds: float | None, gate: WorkerGate):
        if gate.error:
            raise gate.error
        _check_connection(address, client, restart_seconds)
        super().__init__(1)
        self._address = address
        self._client = client
        self._gate = gate
        self._remote: Any = None
        self._is_cancelled = False

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future:
        """Implement `Executor.submit`. The executor breaks if the worker dies or the scheduler is lost."""
        return super().submit(self._run, fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Implement `Executor.shutdown`. In addition, `cancel_futures` ends a running task."""
        if cancel_futures:
            self._is_cancelled = True
            self._cancel()
        super().shutdown(wait=wait, cancel_futures=cancel_futures)

    def _cancel(self) -> None:
        remote = self._remote
        if remote is not None:
            with suppress(Exception):  # if the scheduler is lost, there is nothing to cancel
                remote.cancel()

    def _run(self, fn: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        from distributed import KilledWorker

        try:
            with self._gate.worker(is_cancelled=lambda: self._is_cancelled):
                # Pickled here, so that the scheduler does not have to import the modules of the task.
                self._remote = self._client.submit(run_task, pickle.dumps((fn, args, kwargs)), pure=False)
                if self._is_cancelled:  # cancelled before there was a remote task
                    self._cancel()
                error = self._remote.exception()  # waits for the task; raises if the task is lost
                result = self._remote.result() if error is None else None
        except Exception as lost:
            raise BrokenExecutor(f"{self._address}: a task was lost ({one_line(lost)})") from lost
        finally:
            self._remote = None
        if isinstance(error, KilledWorker):
            raise BrokenExecutor(f"{self._address}: {one_line(error)}") from error
        if error is not None:
            raise error
        return result


def _check_connection(address: str, client: "Client", restart_seconds: float | None) -> None:
    """Wait for a lost scheduler and for a dead worker. Raise an `EbmoodError` if one does not come back."""
    end = time.monotonic() + CONNECT_SECONDS + 1
    while client.status == "connecting" and time.monotonic() < end:
        time.sleep(0.05)
    if client.status != "running":
        raise EbmoodError(
            f"--cluster {address}: the scheduler was lost; finished results are kept: start the scheduler again, then "
            "repeat the command"
        )
    if restart_seconds is not None:
        try:
            client.wait_for_workers(1, timeout=restart_seconds)
        except TimeoutError as error:
            raise EbmoodError(
                f"--cluster {address}: all workers died and none restarted; finished results are kept"
            ) from error
