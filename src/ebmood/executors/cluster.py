"""Executors on a Dask cluster: of this machine, of a scheduler that is running, or of SLURM's making.

A worker does one piece of work at a time, whatever its number of threads, and gives up one that nobody waits for any
more. `distributed` and `dask-jobqueue` are extras, loaded when they are needed.
"""

import ctypes
import logging
import pickle
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

from ebmood.core.errors import EbmoodError, one_line
from ebmood.executors.process import deaf_to_interrupts
from ebmood.executors.slurm import Jobs, slurm_cluster

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

PATIENCE = 5.0
"""Seconds after which a scheduler that does not answer is taken to be gone."""

START = 60.0
"""Seconds that a worker of this machine has to start again."""

ROOM = 0.5
"""Seconds between two looks for a worker that is free."""

UNWANTED = 1.0
"""Seconds between two looks of a worker whether anyone still waits for its work."""

SAME = ("ebmood", "torch", "numpy", "scikit-learn")
"""What numbers depend on, and must therefore have the same version on every worker."""


@dataclass(frozen=True)
class Cluster:
    """Where work may run.

    Attributes:
        workers: how many pieces of work it can do at once; 0 where a running scheduler has none yet.
        open_executor: makes an executor for one piece of work at a time; raises an `EbmoodError` once the scheduler
            is gone.
    """

    workers: int
    open_executor: Callable[[], Executor]


@contextmanager
def open_cluster(where: str) -> Iterator[Cluster]:
    """Connect to a cluster, or make one that ends with the block.

    Args:
        where: `local:N` for N processes here; `slurm:N` for N jobs of one core each; or the address of a scheduler
            that is running, `tcp://HOST:PORT`.

    Raises:
        EbmoodError: it is none of these, the extra is not installed, nobody answers within five seconds, or the
            workers have other versions of the libraries that numbers depend on.
    """
    made = re.fullmatch(r"(local|slurm):([1-9]\d*)", where)
    running = re.fullmatch(r"(?:tcp|tls)://\[?([^/\]]+?)\]?:(\d+)", where)
    if not made and not running:
        raise EbmoodError(
            f"--cluster {where}: write local:N, slurm:N, or the address of a scheduler that is running "
            "(tcp://HOST:PORT)"
        )
    try:
        import distributed
        from dask import config
    except ImportError as error:
        raise EbmoodError(
            f"--cluster {where}: needs the extra `cluster`: pip install 'ebmood[cluster]'"
        ) from error
    _quiet()
    with ExitStack() as stack:
        address = where
        count = 0
        jobs: Jobs | None = None
        if made:
            count = int(made[2])
            resource_tracker.ensure_running()  # or starting it would undo the mask
            with _interrupts_later(), deaf_to_interrupts():
                if made[1] == "local":
                    cluster = local_cluster(count)
                    stack.callback(cluster.close)
                else:
                    # We submit a job again where one ends, and know better than Dask when that is.
                    stack.enter_context(config.set({"distributed.deploy.lost-worker-timeout": "1000d"}))
                    cluster = slurm_cluster(where, count)
                    jobs = Jobs(where, cluster, count)
                    stack.callback(jobs.close)
            address = cluster.scheduler_address
        try:
            if running:  # A client takes long to give up.
                socket.create_connection((running[1], int(running[2])), PATIENCE).close()
            client = distributed.Client(address, timeout=PATIENCE, set_as_default=False)
        except (OSError, OverflowError) as error:
            raise EbmoodError(
                f"--cluster {where}: no Dask scheduler answers there ({one_line(error)}); check the address"
            ) from error
        stack.callback(client.close)
        _check_versions(where, client)
        there: Any = client.nthreads()
        workers = count or len(there)
        gate = _Gate(client, jobs)
        patience = START if where.startswith("local:") else None
        yield Cluster(workers, lambda: _Slot(where, client, patience, gate))


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """A Ctrl-C inside is heard at the end: a cluster that is made by half cannot be closed."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield
        return
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if heard:
            raise KeyboardInterrupt


def local_cluster(workers: int) -> "LocalCluster":
    """Processes of one thread on this machine."""
    from dask import config
    from distributed import LocalCluster

    # A death is told at once, and the runner decides: as it does with its own processes.
    with config.set({"distributed.scheduler.allowed-failures": 0}):
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=None,
            dashboard_address="127.0.0.1:0",  # or, with None too, it asks for a port that another study may hold
            silence_logs=logging.CRITICAL,
        )


class _Gate:
    """Lets through as many pieces of work as there are workers: one that waits behind another would die with it.

    Args:
        client: of the cluster.
        jobs: of SLURM that bring its workers, looked at now and then while work waits; or None.
    """

    def __init__(self, client: "Client", jobs: Jobs | None):
        self.trouble: EbmoodError | None = None
        self._client = client
        self._jobs = jobs
        self._looking = threading.Lock()  # at SLURM, which may take its time
        self._lock = threading.Lock()
        self._through = 0

    @contextmanager
    def worker(self, unwanted: Callable[[], bool]) -> Iterator[None]:
        """Waits for a worker, and lets go of it at the end of the block. Raises whatever there is against it."""
        while not self._room():
            if unwanted():
                raise BrokenExecutor("cancelled")
            time.sleep(ROOM)
        try:
            yield
        finally:
            with self._lock:
                self._through -= 1

    def _room(self) -> bool:
        if self._jobs is not None and self._looking.acquire(blocking=False):
            try:
                self._jobs.look()
            except EbmoodError as error:
                self.trouble = error
                raise
            finally:
                self._looking.release()
        there: Any = self._client.nthreads()
        with self._lock:
            room = self._through < len(there)
            self._through += room
        return room


class _Slot(ThreadPoolExecutor):
    """One piece of work at a time: a thread here that waits for a worker there."""

    def __init__(self, where: str, client: "Client", patience: float | None, gate: _Gate):
        if gate.trouble:
            raise gate.trouble
        _still_there(where, client, patience)
        super().__init__(1)
        self._where = where
        self._client = client
        self._gate = gate
        self._remote: Any = None
        self._over = False

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future:
        """As in `Executor`. A worker that died, or a scheduler that went away, breaks the executor."""
        return super().submit(self._wait_for, fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As in `Executor`, except that `cancel_futures` also ends what is running."""
        if cancel_futures:
            self._over = True
            self._cancel()
        super().shutdown(wait=wait, cancel_futures=cancel_futures)

    def _cancel(self) -> None:
        remote = self._remote
        if remote is not None:
            with suppress(Exception):  # a scheduler that is gone has cancelled it
                remote.cancel()

    def _wait_for(self, fn: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        from distributed import KilledWorker

        try:
            with self._gate.worker(unwanted=lambda: self._over):
                # Packed, so that the scheduler need not import what the work is made of.
                self._remote = self._client.submit(_there, pickle.dumps((fn, args, kwargs)), pure=False)
                if self._over:  # since before there was anything to cancel
                    self._cancel()
                error = self._remote.exception()  # when it is done; raises where it was lost
                result = self._remote.result() if error is None else None
        except Exception as lost:
            raise BrokenExecutor(f"{self._where}: work was lost ({one_line(lost)})") from lost
        finally:
            self._remote = None
        if isinstance(error, KilledWorker):
            raise BrokenExecutor(f"{self._where}: {one_line(error)}") from error
        if error is not None:
            raise error
        return result


def _still_there(where: str, client: "Client", patience: float | None) -> None:
    """Wait a while for a scheduler to come back, and `patience` seconds for a worker, if that is not None."""
    end = time.monotonic() + PATIENCE + 1
    while client.status == "connecting" and time.monotonic() < end:
        time.sleep(0.05)
    if client.status != "running":
        raise EbmoodError(
            f"--cluster {where}: the scheduler went away; what is finished is kept: start it again, then the same "
            "command"
        )
    if patience is not None:
        try:
            client.wait_for_workers(1, timeout=patience)
        except TimeoutError as error:
            raise EbmoodError(
                f"--cluster {where}: all its workers died and none starts again; what is finished is kept"
            ) from error


def _check_versions(where: str, client: "Client") -> None:
    here = _versions()
    try:
        scheduler: Any = client.run_on_scheduler(_versions)
        workers: Any = client.run(_versions)
    except Exception as error:
        raise EbmoodError(
            f"--cluster {where}: ebmood cannot be used on its machines ({one_line(error)}); install there what is "
            "installed here"
        ) from error
    for place, there in {"the scheduler": scheduler, **workers}.items():
        for name in SAME:
            if there[name] != here[name]:
                raise EbmoodError(
                    f"--cluster {where}: {name} is {there[name]} on {place} and {here[name]} here; numbers "
                    "would depend on where they are computed: install the same version"
                )


def _versions() -> dict[str, str]:
    return {name: version(name) for name in SAME}


# What follows runs on a worker.

_ALONE = threading.Lock()


class _UnwantedError(BaseException):
    """Raised in the midst of work that nobody waits for; no exception that the work itself would catch."""


def _there(packed: bytes) -> Any:
    """Do a piece of work while nothing else runs in this process; its complaints name the machine."""
    try:
        with _ALONE, _while_wanted():
            fn, args, kwargs = pickle.loads(packed)
            return fn(*args, **kwargs)
    except EbmoodError as error:
        raise EbmoodError(f"on {socket.gethostname()}: {error}") from error
    except _UnwantedError:
        raise BrokenExecutor("cancelled") from None


@contextmanager
def _while_wanted() -> Iterator[None]:
    """Ends the block where it stands once its task is cancelled: Dask itself would let it run to its end."""
    from distributed import get_worker

    worker = get_worker()
    key, thread, over = worker.get_current_task(), threading.get_ident(), threading.Event()

    def watch() -> None:
        while not over.wait(UNWANTED):
            task = worker.state.tasks.get(key)
            if task is None or task.state == "cancelled":
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(thread), ctypes.py_object(_UnwantedError)
                )
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _quiet() -> None:
    """What goes wrong is told by us, once."""
    for name in ("distributed", "distributed.client", "tornado", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
