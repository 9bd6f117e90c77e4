"""Dask clusters: on this machine, with a running scheduler, or with jobs of SLURM.

A worker runs one task at a time, even if it has several threads, and stops a task that was cancelled. The packages
`distributed` and `dask-jobqueue` are optional and imported when they are needed.
"""

import logging
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

from ebmood.core.errors import EbmoodError, one_line
from ebmood.executors.dask_executor import CONNECT_SECONDS, DaskExecutor, WorkerGate
from ebmood.executors.process import block_interrupts
from ebmood.executors.slurm import SlurmJobs, slurm_cluster

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

RESTART_SECONDS = 60.0
"""Time that a dead worker of this machine has to restart."""

SAME_VERSIONS = ("ebmood", "torch", "numpy", "scikit-learn")
"""Packages that results depend on. Their versions must be the same on all machines."""


@dataclass(frozen=True)
class Cluster:
    """An open cluster.

    Attributes:
        workers: number of tasks that can run at the same time; 0 if a running scheduler has no workers yet.
        open_executor: function that returns an executor for one task at a time. It raises an `EbmoodError` when the
            scheduler is lost.
    """

    workers: int
    open_executor: Callable[[], Executor]


@contextmanager
def open_cluster(address: str) -> Iterator[Cluster]:
    """Connect to a cluster, or create one that ends with the context.

    Args:
        address: `local:N` for N processes on this machine; `slurm:N` for N SLURM jobs with one core each; or the
            address of a running scheduler, `tcp://HOST:PORT`.

    Raises:
        EbmoodError: the address has another form, the optional packages are not installed, no scheduler answers within
            five seconds, or the workers have other versions of packages that results depend on.
    """
    new = re.fullmatch(r"(local|slurm):([1-9]\d*)", address)
    existing = re.fullmatch(r"(?:tcp|tls)://\[?([^/\]]+?)\]?:(\d+)", address)
    if not new and not existing:
        raise EbmoodError(
            f"--cluster {address}: write local:N, slurm:N, or the address of a running scheduler (tcp://HOST:PORT)"
        )
    try:
        import distributed
    except ImportError as error:
        raise EbmoodError(
            f"--cluster {address}: needs the extra `cluster`; run: pip install 'ebmood[cluster]'"
        ) from error
    _silence_logs()
    with ExitStack() as stack:
        scheduler, count = address, 0
        jobs: SlurmJobs | None = None
        if new:
            count = int(new[2])
            scheduler, jobs = _create_cluster(address, new[1], count, stack)
        try:
            if existing:  # a quick test, because a Dask client needs long to give up
                socket.create_connection((existing[1], int(existing[2])), CONNECT_SECONDS).close()
            client = distributed.Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, OverflowError) as error:
            raise EbmoodError(
                f"--cluster {address}: no Dask scheduler answers at this address ({one_line(error)}); check it"
            ) from error
        stack.callback(client.close)
        _check_versions(address, client)
        connected: Any = client.nthreads()
        gate = WorkerGate(client, jobs)
        restart_seconds = RESTART_SECONDS if address.startswith("local:") else None
        yield Cluster(count or len(connected), lambda: DaskExecutor(address, client, restart_seconds, gate))


def _create_cluster(address: str, kind: str, count: int, stack: ExitStack) -> tuple[str, SlurmJobs | None]:
    """Create a cluster that `stack` closes. Return the address of its scheduler, and its jobs if it uses SLURM."""
    from dask import config

    resource_tracker.ensure_running()  # started later, it would reset the blocked signals
    with _defer_interrupts(), block_interrupts():
        if kind == "local":
            cluster = local_cluster(count)
            stack.callback(cluster.close)
            return cluster.scheduler_address, None
        # Dask must not remove lost workers, because `SlurmJobs` submits their jobs again.
        stack.enter_context(config.set({"distributed.deploy.lost-worker-timeout": "1000d"}))
        cluster = slurm_cluster(address, count)
        jobs = SlurmJobs(address, cluster, count)
        stack.callback(jobs.close)
        return cluster.scheduler_address, jobs


@contextmanager
def _defer_interrupts() -> Iterator[None]:
    """Raise a KeyboardInterrupt of the context at its end, because an incomplete cluster cannot be closed."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield
        return
    received: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: received.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if received:
            raise KeyboardInterrupt


def local_cluster(workers: int) -> "LocalCluster":
    """Return a cluster of processes with one thread each on this machine."""
    from dask import config
    from distributed import LocalCluster

    # Without retries by Dask, a dead worker is reported at once, and `dispatch` decides on a new attempt.
    with config.set({"distributed.scheduler.allowed-failures": 0}):
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=None,
            dashboard_address="127.0.0.1:0",  # the default port may be in use, even without a dashboard
            silence_logs=logging.CRITICAL,
        )


def _check_versions(address: str, client: "Client") -> None:
    expected = _versions()
    try:
        scheduler: Any = client.run_on_scheduler(_versions)
        workers: Any = client.run(_versions)
    except Exception as error:
        raise EbmoodError(
            f"--cluster {address}: ebmood cannot be used on its machines ({one_line(error)}); install the same "
            "packages as on this machine"
        ) from error
    for machine, versions in {"the scheduler": scheduler, **workers}.items():
        for name in SAME_VERSIONS:
            if versions[name] != expected[name]:
                raise EbmoodError(
                    f"--cluster {address}: {name} is {versions[name]} on {machine} and {expected[name]} on this "
                    "machine, so results could differ; install the same version"
                )


def _versions() -> dict[str, str]:
    return {name: version(name) for name in SAME_VERSIONS}


def _silence_logs() -> None:
    """Silence the logs of Dask, because errors are reported once by this package."""
    for name in ("distributed", "distributed.client", "tornado", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
