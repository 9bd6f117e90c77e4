"""Where a command's work runs: processes on this machine, or a cluster."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from ebmood.core.errors import EbmoodError
from ebmood.executors.process import OneProcess


@contextmanager
def executors(cluster: str | None, jobs: int | None) -> Iterator[tuple[int, Callable[[], Executor]]]:
    """How many pieces of work run at once, and what makes an executor for one.

    Args:
        cluster: see `ebmood.executors.cluster.open_cluster`; None for processes here.
        jobs: how many at once; None for all cores, or all workers of the cluster.

    Raises:
        EbmoodError: the cluster cannot be used, or has no workers.
    """
    if cluster is None:
        yield jobs or _cores(), OneProcess
        return
    from ebmood.executors.cluster import open_cluster

    with open_cluster(cluster) as opened:
        many = jobs or opened.workers
        if not many:
            raise EbmoodError(
                f"--cluster {cluster}: the scheduler has no workers; start some (dask worker {cluster} --nthreads 1), "
                "or say with -j how many will come"
            )
        yield many, opened.open_executor


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
