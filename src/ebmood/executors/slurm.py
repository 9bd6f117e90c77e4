"""SLURM jobs that run the workers of a Dask cluster. Jobs that end are submitted again."""

import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

from ebmood.core.errors import EbmoodError, one_line

if TYPE_CHECKING:
    from dask_jobqueue.slurm import SLURMCluster

UPDATE_SECONDS = 5.0
"""Minimum time between two queries of SLURM's queue."""


def slurm_cluster(address: str, jobs: int) -> "SLURMCluster":
    """Return a cluster of jobs with one core and one worker each.

    Queue, account, time and memory come from Dask's configuration file `jobqueue.yaml`.

    Raises:
        EbmoodError: the optional packages are not installed, or jobs cannot be submitted.
    """
    interrupt_handler = signal.getsignal(signal.SIGINT)
    try:
        from dask import config
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError as error:
        raise EbmoodError(
            f"--cluster {address}: needs the extra `slurm`; run: pip install 'ebmood[slurm]'"
        ) from error
    finally:
        # Importing dask-jobqueue sets a handler that exits with success. None means a handler that is not in Python.
        if interrupt_handler is not None:
            signal.signal(signal.SIGINT, interrupt_handler)
    if shutil.which("sbatch") is None:
        raise EbmoodError(
            f"--cluster {address}: no command `sbatch`; run this on a machine that can submit SLURM jobs"
        )
    memory = config.get("jobqueue.slurm.memory", None) or "4GB"
    # Without a dashboard, which all users of this machine could see, and whose port may be in use.
    options = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    options |= config.get("jobqueue.slurm.scheduler-options", None) or {}
    with config.set({"distributed.scheduler.allowed-failures": 0}):
        try:
            cluster = SLURMCluster(
                cores=1, processes=1, memory=memory, scheduler_options=options, silence_logs="critical"
            )
            cluster.scale(jobs=jobs)
        except (OSError, RuntimeError, ValueError) as error:
            raise EbmoodError(f"--cluster {address}: jobs cannot be submitted ({one_line(error)})") from error
    return cluster


class SlurmJobs:
    """The SLURM jobs of a cluster. Their number is kept constant while tasks wait for a worker.

    A job that ends after its worker had connected (by its time limit, or because it was cancelled) is submitted again.
    A job that ends before that is not, because the next one would end too.

    Args:
        address: the option `--cluster`, for messages.
        cluster: the cluster.
        count: number of jobs.
    """

    def __init__(self, address: str, cluster: "SLURMCluster", count: int):
        self._address = address
        self._cluster: Any = cluster
        self._count = count
        self._connected: set[str] = set()
        self._next_update = 0.0

    def update(self) -> None:
        """Submit jobs again that have ended.

        Raises:
            EbmoodError: no job is left, and none will start.
        """
        self._connected |= {str(worker.name) for worker in list(self._cluster.scheduler.workers.values())}
        if time.monotonic() < self._next_update:
            return
        self._next_update = time.monotonic() + UPDATE_SECONDS
        jobs = dict(self._cluster.workers)  # before the query, so that new jobs do not count as ended
        command = ("squeue", "--me", "--noheader", "--format=%A")
        try:
            queue = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        except (OSError, subprocess.SubprocessError):
            return  # SLURM is busy; the next update will try again
        ended = [name for name, job in jobs.items() if job.job_id not in queue.stdout.split()]
        to_submit = [name for name in ended if name in self._connected]
        for name in to_submit:
            self._connected.remove(name)
            _mark_closed(self._cluster.workers.pop(name))
        if to_submit:
            self._cluster.scale(jobs=self._count)
        elif jobs and len(ended) == len(jobs):
            self._raise_if_ended(jobs[ended[-1]])

    def close(self) -> None:
        """Cancel all jobs and end the scheduler."""
        for job in list(self._cluster.workers.values()):
            _mark_closed(job)
        self._cluster.close()

    def _raise_if_ended(self, job: Any) -> None:
        """Raise an error with the reason for which there is no job, or submit a job that was rejected before."""
        if job.job_id is not None:
            raise EbmoodError(
                f"--cluster {self._address}: jobs end before their workers connect; see SLURM's information on job "
                f"{job.job_id} and its output (slurm-{job.job_id}.out by default)"
            )
        try:
            self._cluster.sync(job.start)
        except (OSError, RuntimeError, ValueError) as error:
            reason = one_line(str(error).rpartition("stderr:")[2] or error)
            raise EbmoodError(f"--cluster {self._address}: jobs cannot be submitted ({reason})") from error


def _mark_closed(job: Any) -> None:
    """Mark a job as closed. Dask does not close a cluster with running jobs, and dask-jobqueue never marks them."""
    from distributed import Status

    job.status = Status.closed
