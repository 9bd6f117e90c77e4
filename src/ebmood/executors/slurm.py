"""Jobs of SLURM that bring the workers of a Dask cluster, submitted again where they end."""

import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

from ebmood.core.errors import EbmoodError, one_line

if TYPE_CHECKING:
    from dask_jobqueue.slurm import SLURMCluster

LOOK = 5.0
"""Seconds between two looks at SLURM's queue."""


def slurm_cluster(where: str, jobs: int) -> "SLURMCluster":
    """Jobs of one core and one worker; queue, account, time and memory come from Dask's `jobqueue.yaml`.

    Raises:
        EbmoodError: the extra is not installed, or jobs cannot be submitted.
    """
    interrupted = signal.getsignal(signal.SIGINT)
    try:
        from dask import config
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError as error:
        raise EbmoodError(
            f"--cluster {where}: needs the extra `slurm`: pip install 'ebmood[slurm]'"
        ) from error
    finally:
        # Once dask-jobqueue is imported Ctrl-C would be a success; None is a handler in somebody's C.
        if interrupted is not None:
            signal.signal(signal.SIGINT, interrupted)
    if shutil.which("sbatch") is None:
        raise EbmoodError(f"--cluster {where}: no `sbatch` here; run it on a machine where SLURM takes jobs")
    memory = config.get("jobqueue.slurm.memory", None) or "4GB"
    # No page for all who are on this machine, on a port that another study holds.
    options = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    options |= config.get("jobqueue.slurm.scheduler-options", None) or {}
    with config.set({"distributed.scheduler.allowed-failures": 0}):
        try:
            cluster = SLURMCluster(
                cores=1, processes=1, memory=memory, scheduler_options=options, silence_logs="critical"
            )
            cluster.scale(jobs=jobs)
        except (OSError, RuntimeError, ValueError) as error:
            raise EbmoodError(f"--cluster {where}: no jobs can be submitted ({one_line(error)})") from error
    return cluster


class Jobs:
    """SLURM's jobs, kept at their number while work waits for a worker.

    Where a job ends whose worker had come (its time is over, it was cancelled), another takes its place. One that
    ends before that would do so again.
    """

    def __init__(self, where: str, cluster: "SLURMCluster", count: int):
        self._where = where
        self._cluster: Any = cluster
        self._count = count
        self._came: set[str] = set()
        self._next = 0.0

    def look(self) -> None:
        """Submit anew what is to be.

        Raises:
            EbmoodError: no job is left, and none will come.
        """
        self._came |= {str(worker.name) for worker in list(self._cluster.scheduler.workers.values())}
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LOOK
        jobs = dict(self._cluster.workers)  # Submitted, or refused; before the queue is looked at.
        look = ("squeue", "--me", "--noheader", "--format=%A")
        try:
            queue = subprocess.run(look, capture_output=True, text=True, check=True, timeout=60)
        except (OSError, subprocess.SubprocessError):
            return  # SLURM has much to do, and may answer the next time
        ended = [name for name, job in jobs.items() if job.job_id not in queue.stdout.split()]
        again = [name for name in ended if name in self._came]
        for name in again:
            self._came.remove(name)
            _over(self._cluster.workers.pop(name))
        if again:
            self._cluster.scale(jobs=self._count)
        elif jobs and len(ended) == len(jobs):
            self._tell(jobs[ended[-1]])

    def close(self) -> None:
        """Cancel all jobs and end the scheduler."""
        for job in list(self._cluster.workers.values()):
            _over(job)
        self._cluster.close()

    def _tell(self, job: Any) -> None:
        """Why there is no job, if that is still so."""
        if job.job_id is not None:
            raise EbmoodError(
                f"--cluster {self._where}: its jobs end before their workers come; see what SLURM says of job "
                f"{job.job_id}, and what that wrote (slurm-{job.job_id}.out, if not set otherwise)"
            )
        try:
            self._cluster.sync(job.start)
        except (OSError, RuntimeError, ValueError) as error:
            reason = one_line(str(error).rpartition("stderr:")[2] or error)
            raise EbmoodError(f"--cluster {self._where}: no jobs can be submitted ({reason})") from error


def _over(job: Any) -> None:
    """Dask will not close a cluster while a job of it is held as running, and dask-jobqueue never says otherwise."""
    from distributed import Status

    job.status = Status.closed
