"""A Dask cluster of processes on this machine, and a study to run on it."""

import os
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from ebmood.core.errors import EbmoodError
from ebmood.executors.cluster import open_cluster
from ebmood.study.study_file import Study, load_study

TESTS = Path(__file__).parents[1]


class RunningCluster:
    """A scheduler and workers without nannies, so that killed workers do not restart."""

    def __init__(self, folder: Path, workers: int):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        paths = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
        self._folder = folder
        self._log = open(folder / "log", "w")  # noqa: SIM115  # `close` closes it
        address = ("--host", "127.0.0.1", "--port", str(port))
        self.scheduler = self._start("dask_scheduler", *address, "--no-dashboard")
        options = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder))
        self.workers = [self._start("dask_worker", self.address, *options) for _ in range(workers)]

    def _start(self, module: str, *words: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", *words],
            cwd=self._folder,  # another folder than that of this process, because workers must not depend on it
            env=self._environment,
            stdout=self._log,
            stderr=self._log,
        )

    def wait_for_workers(self) -> None:
        """Wait until all workers are connected."""

        def connected() -> bool:
            try:
                with open_cluster(self.address) as cluster:
                    return cluster.workers == len(self.workers)
            except EbmoodError:  # the scheduler is still starting
                return False

        wait_until(connected)

    def close(self) -> None:
        for process in [*self.workers, self.scheduler]:
            process.kill()
        for process in [*self.workers, self.scheduler]:
            process.wait()
        self._log.close()


def wait_until(condition, seconds: float = 60):
    """Return the first true value of `condition()`, or raise an error after some time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError("the condition did not become true")


def make_study(folder: Path) -> Study:
    """Return a study of six cells, one of which waits to be killed; see `helpers.cluster_tasks.WaitingDetector`."""
    (folder / "s.yaml").write_text(
        textwrap.dedent(f"""
        datasets: {{kind: toy, shape: moons, rows: 120}}
        seeds: 2
        recipes:
          - {{method: ssm, gamma: 1, training: {{steps: 20}}}}
          - {{detector: helpers.cluster_tasks.WaitingDetector, parameters: {{mark: {folder / "mark"}}}}}
          - knn
    """)
    )
    return load_study(str(folder / "s.yaml"))
