"""Convert the options `--cluster` and `--jobs` to executors: processes on this machine, or workers of a cluster."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from ebmood.core.errors import EbmoodError
from ebmood.executors.process import SingleProcessExecutor


@contextmanager
def open_executors(cluster: str | None, jobs: int | None) -> Iterator[tuple[int, Callable[[], Executor]]]:
    """Yield how many tasks run at the same time, and a function that creates an executor for one of them.

    Args:
        cluster: as described in `ebmood.executors.cluster.open_cluster`; None for processes on this machine.
        jobs: number of tasks at the same time; None for all cores, or for all workers of the cluster.

    Raises:
        EbmoodError: the cluster cannot be used, or has no workers.
    """
    if cluster is None:
        yield jobs or _count_cores(), SingleProcessExecutor
        return
    from ebmood.executors.cluster import open_cluster

    with open_cluster(cluster) as connection:
        tasks = jobs or connection.workers
        if not tasks:
            raise EbmoodError(
                f"--cluster {cluster}: the scheduler has no workers; start some (dask worker {cluster} --nthreads 1), "
                "or give the number of future workers with -j"
            )
        yield tasks, connection.open_executor


def _count_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
