"""On a real scheduler with real workers, each a process of its own here."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
from cluster_work import says_what_is_missing, stays

from ebmood.core.errors import EbmoodError
from ebmood.executors import cluster as module
from ebmood.executors import slurm as slurm_module
from ebmood.executors.cluster import open_cluster
from ebmood.executors.slurm import slurm_cluster
from ebmood.study.records import read_records
from ebmood.study.runner import RECORDS, StudyObserver, run_study
from ebmood.study.study_file import Study, load_study

pytest.importorskip("distributed")
HERE = Path(__file__).parent
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # sockets of a scheduler that was killed


class RealCluster:
    """A scheduler and workers without nannies: what is killed stays dead."""

    def __init__(self, folder: Path, workers: int):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        paths = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
        self._folder = folder
        self._log = open(folder / "log", "w")  # noqa: SIM115  # `close` closes it
        place = ("--host", "127.0.0.1", "--port", str(port))
        self.scheduler = self._start("dask_scheduler", *place, "--no-dashboard")
        options = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder))
        self.workers = [self._start("dask_worker", self.address, *options) for _ in range(workers)]

    def _start(self, module: str, *words: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", *words],
            cwd=self._folder,  # elsewhere than this process: nothing may hang on where a worker starts
            env=self._environment,
            stdout=self._log,
            stderr=self._log,
        )

    def close(self) -> None:
        for process in [*self.workers, self.scheduler]:
            process.kill()
        for process in [*self.workers, self.scheduler]:
            process.wait()
        self._log.close()


@pytest.fixture
def cluster(tmp_path):
    real = RealCluster(tmp_path, workers=2)
    yield real
    real.close()


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(HERE)


def when(condition, seconds: float = 60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


def all_there(cluster: RealCluster):
    def connected():
        with open_cluster(cluster.address) as opened:
            return opened.workers == len(cluster.workers)

    def try_to():
        try:
            return connected()
        except EbmoodError:  # the scheduler is still starting
            return False

    when(try_to)


def make(folder: Path) -> Study:
    (folder / "s.yaml").write_text(
        textwrap.dedent(f"""
        datasets: {{kind: toy, shape: moons, rows: 120}}
        seeds: 2
        recipes:
          - {{method: ssm, gamma: 1, training: {{steps: 20}}}}
          - {{detector: cluster_work.Waits, parameters: {{mark: {folder / "mark"}}}}}
          - knn
    """)
    )
    return load_study(str(folder / "s.yaml"))


def numbers(record) -> dict:
    return record.model_dump(exclude={"started", "seconds"})


def test_a_killed_worker_costs_one_attempt_and_a_lost_scheduler_keeps_the_records(cluster, tmp_path):
    study = make(tmp_path)
    all_there(cluster)

    class Killer(StudyObserver):
        killed = 0

        def running(self, tasks):
            if (
                not self.killed and (tmp_path / "mark").exists()
            ):  # a worker writes its process there, and waits
                self.killed = int((tmp_path / "mark").read_text())
                os.kill(self.killed, signal.SIGKILL)

    watcher, out = Killer(), tmp_path / "out"
    with open_cluster(cluster.address) as opened:
        there = run_study(study, out, jobs=2, watcher=watcher, open_executor=opened.open_executor)
    assert watcher.killed in [worker.pid for worker in cluster.workers]
    assert sorted(record.status for record in there) == ["done"] * 6
    assert len(read_records(out / RECORDS)) == 6
    # Serial, on a thread of this process; the mark is there, so nobody waits.
    here = run_study(study, tmp_path / "serial", open_executor=lambda: ThreadPoolExecutor(1))
    assert [numbers(record) for record in there] == [numbers(record) for record in here]
    assert not (out / "progress").exists()

    class Cruel(StudyObserver):
        def finished(self, task, record):
            cluster.scheduler.kill()

    (out / RECORDS).unlink()
    with (
        pytest.raises(EbmoodError, match="the scheduler went away; what is finished is kept"),
        open_cluster(cluster.address) as opened,
    ):
        run_study(study, out, watcher=Cruel(), open_executor=opened.open_executor)
    assert [record.status for record in read_records(out / RECORDS)] == ["done"]


def test_work_that_is_cancelled_ends_and_errors_name_their_machine(cluster, tmp_path):
    all_there(cluster)
    with open_cluster(cluster.address) as opened:
        executor = opened.open_executor()
        future = executor.submit(stays, tmp_path / "began", tmp_path / "ended")
        when((tmp_path / "began").exists)
        executor.shutdown(cancel_futures=True)
        assert isinstance(future.exception(), BrokenExecutor)
        assert "unwanted" in when(lambda: (tmp_path / "ended").exists() and (tmp_path / "ended").read_text())

        executor = opened.open_executor()
        with pytest.raises(EbmoodError, match=rf"^on {socket.gethostname()}: .*gone.csv"):
            executor.submit(says_what_is_missing, tmp_path / "gone.csv").result()
        executor.shutdown()


@pytest.mark.parametrize(
    ("where", "complaint"),
    [
        ("tcp://127.0.0.1:9", "no Dask scheduler answers there"),
        ("http://head:8786", "write local:N, slurm:N, or the address"),
        ("local:0", "write local:N"),
        ("slurm:2", "no `sbatch` here"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_one_line_within_seconds(where, complaint, monkeypatch):
    monkeypatch.setenv("PATH", "")
    began = time.monotonic()
    with pytest.raises(EbmoodError, match=complaint) as error, open_cluster(where):
        pass
    assert "\n" not in str(error.value)
    assert time.monotonic() - began < 10


def test_the_job_for_slurm_is_one_worker_on_one_core(tmp_path, monkeypatch):
    pytest.importorskip("dask_jobqueue")
    sbatch = tmp_path / "sbatch"
    sbatch.write_text(f'#!/bin/sh\ncat "$1" >> {tmp_path / "jobs"}\necho "Submitted batch job 7"\n')
    for name in ("scancel", "squeue"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with slurm_cluster("slurm:2", 2) as made:
        script = made.job_script()
        when(
            lambda: (tmp_path / "jobs").exists() and (tmp_path / "jobs").read_text().count("#SBATCH -J") == 2
        )
    assert "#SBATCH --cpus-per-task=1" in script
    assert "--nthreads 1" in script
    assert "--nworkers 1" in script or "--nworkers" not in script


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Commands that do as SLURM's: a job is a group of processes here, and its number is that of the first."""
    pytest.importorskip("dask_jobqueue")
    folder = tmp_path / "slurm"
    folder.mkdir()
    commands = {
        "sbatch": f"""
            cp "$1" {folder}/job.$$
            setsid sh {folder}/job.$$ > {folder}/log.$$ 2>&1 < /dev/null &
            echo $! >> {folder}/jobs
            echo "Submitted batch job $!"
        """,
        "squeue": f"for job in $(cat {folder}/jobs); do kill -0 $job 2>/dev/null && echo $job; done; true",
        "scancel": "kill -9 -$1",
    }
    for name, text in commands.items():
        (folder / name).write_text(f"#!/bin/sh\n{textwrap.dedent(text)}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(HERE), prepend=os.pathsep)
    monkeypatch.setattr(slurm_module, "LOOK", 0.5)
    return folder


def jobs(slurm: Path) -> list[int]:
    path = slurm / "jobs"
    return [int(job) for job in path.read_text().split()] if path.exists() else []


@pytest.mark.skipif(sys.platform == "win32" or not shutil.which("setsid"), reason="SLURM is for Linux")
def test_a_job_that_ends_is_submitted_again_and_takes_no_waiting_cell_with_it(slurm, tmp_path):
    study, ended, retried = make(tmp_path), [], []

    class Canceller(StudyObserver):
        """Ends the job of each worker that says who it is: both at once, with cells that wait for them."""

        def running(self, tasks):
            if not ended and (tmp_path / "mark").exists() and (tmp_path / "mark").read_text():
                ended.extend(jobs(slurm))
                for job in ended:
                    os.killpg(job, signal.SIGKILL)

        def retried(self, task):
            retried.append(task.key)

    with open_cluster("slurm:2") as opened:
        there = run_study(
            study, tmp_path / "out", jobs=4, watcher=Canceller(), open_executor=opened.open_executor
        )
    assert [record.status for record in there] == ["done"] * 6
    assert len(ended) == 2
    assert len(retried) <= 2  # four were under way
    assert 1 <= len(set(jobs(slurm)) - set(ended)) <= 2
    when(lambda: not any(map(alive, jobs(slurm))), 10)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize(
    ("sbatch", "complaint"),
    [
        ("echo invalid partition: nosuch >&2; exit 1", "no jobs can be submitted .invalid partition: nosuch"),
        ("echo Submitted batch job 999999999", "its jobs end before their workers come; .* of job 999999999"),
    ],
)
def test_where_no_job_comes_to_work_it_is_told_and_no_cell_is_blamed(slurm, tmp_path, sbatch, complaint):
    (slurm / "sbatch").write_text(f"#!/bin/sh\n{sbatch}\n")
    (slurm / "jobs").touch()
    with pytest.raises(EbmoodError, match=complaint) as error, open_cluster("slurm:2") as opened:
        run_study(make(tmp_path), tmp_path / "out", jobs=2, open_executor=opened.open_executor)
    assert "\n" not in str(error.value)
    assert read_records(tmp_path / "out" / RECORDS) == []


@pytest.mark.parametrize("where", ["local:1", "slurm:1"])
def test_ctrl_c_while_a_cluster_is_made_is_heard_once_it_can_be_closed(where, slurm, monkeypatch):
    make_it = {"local:1": "local_cluster", "slurm:1": "slurm_cluster"}[where]
    plain, made = getattr(module, make_it), []

    def interrupted(*words):
        signal.raise_signal(signal.SIGINT)
        made.append(plain(*words))
        return made[0]

    monkeypatch.setattr(module, make_it, interrupted)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), open_cluster(where):
        raise AssertionError("not heard")
    assert made[0].status.name == "closed"
    assert signal.getsignal(signal.SIGINT) is before  # importing dask-jobqueue takes Ctrl-C for itself
