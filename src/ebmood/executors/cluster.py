"""Executors on a Dask cluster: of this machine, of a scheduler that is running, or of SLURM's making.

A worker does one piece of work at a time, whatever its number of threads, and gives up one that nobody waits for any
more. `distributed` and `dask-jobqueue` are extras, loaded when they are needed.
"""

import ctypes
import logging
import pickle
import re
import shutil
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

from ebmood.errors import EbmoodError
from ebmood.executors.process import deaf_to_interrupts

if TYPE_CHECKING:
    from dask_jobqueue.slurm import SLURMCluster
    from distributed import Client, LocalCluster

PATIENCE = 5.0
"""Seconds after which a scheduler that does not answer is taken to be gone."""

START = 60.0
"""Seconds that a worker of this machine has to start again."""

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
    except ImportError as error:
        raise EbmoodError(
            f"--cluster {where}: needs the extra `cluster`: pip install 'ebmood[cluster]'"
        ) from error
    _quiet()
    with ExitStack() as stack:
        address = where
        count = 0
        if made:
            count = int(made[2])
            resource_tracker.ensure_running()  # or starting it would undo the mask
            with deaf_to_interrupts():
                cluster = local_cluster(count) if made[1] == "local" else slurm_cluster(where, count)
            stack.callback(cluster.close)
            address = cluster.scheduler_address
        try:
            if running:  # A client takes long to give up.
                socket.create_connection((running[1], int(running[2])), PATIENCE).close()
            client = distributed.Client(address, timeout=PATIENCE, set_as_default=False)
        except (OSError, OverflowError) as error:
            raise EbmoodError(
                f"--cluster {where}: no Dask scheduler answers there ({_one_line(error)}); check the address"
            ) from error
        stack.callback(client.close)
        _check_versions(where, client)
        there: Any = client.nthreads()
        workers = count or len(there)
        yield Cluster(workers, lambda: _Slot(where, client, START if where.startswith("local:") else None))


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
            dashboard_address=None,  # type: ignore[arg-type]  # None opens no dashboard; dask's hint forgets it
            silence_logs=logging.CRITICAL,
        )


def slurm_cluster(where: str, jobs: int) -> "SLURMCluster":
    """Jobs of one core and one worker; queue, account, time and memory come from Dask's `jobqueue.yaml`.

    Raises:
        EbmoodError: the extra is not installed, or jobs cannot be submitted.
    """
    try:
        from dask import config
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError as error:
        raise EbmoodError(
            f"--cluster {where}: needs the extra `slurm`: pip install 'ebmood[slurm]'"
        ) from error
    if shutil.which("sbatch") is None:
        raise EbmoodError(f"--cluster {where}: no `sbatch` here; run it on a machine where SLURM takes jobs")
    memory = config.get("jobqueue.slurm.memory", None) or "4GB"
    with config.set({"distributed.scheduler.allowed-failures": 0}):
        try:
            cluster = SLURMCluster(cores=1, processes=1, memory=memory, silence_logs="critical")
            cluster.scale(jobs=jobs)
        except (OSError, RuntimeError, ValueError) as error:
            raise EbmoodError(f"--cluster {where}: no jobs can be submitted ({_one_line(error)})") from error
    return cluster


class _Slot(ThreadPoolExecutor):
    """One piece of work at a time: a thread here that waits for a worker there."""

    def __init__(self, where: str, client: "Client", patience: float | None):
        _still_there(where, client, patience)
        super().__init__(1)
        self._where = where
        self._client = client
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
            # Packed, so that the scheduler need not import what the work is made of.
            self._remote = self._client.submit(_there, pickle.dumps((fn, args, kwargs)), pure=False)
            if self._over:  # since before there was anything to cancel
                self._cancel()
            error = self._remote.exception()  # when it is done; raises where it was lost
            result = self._remote.result() if error is None else None
        except Exception as lost:
            raise BrokenExecutor(f"{self._where}: work was lost ({_one_line(lost)})") from lost
        finally:
            self._remote = None
        if isinstance(error, KilledWorker):
            raise BrokenExecutor(f"{self._where}: {_one_line(error)}") from error
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
            f"--cluster {where}: ebmood cannot be used on its machines ({_one_line(error)}); install there what is "
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


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
