"""Clusters of SLURM jobs, with shell scripts instead of SLURM's commands."""

import os
import shutil
import signal
import sys
import textwrap
from pathlib import Path

import pytest
from helpers.running_cluster import TESTS, make_study, wait_until

from ebmood.core.errors import EbmoodError
from ebmood.executors import cluster, slurm
from ebmood.executors.cluster import open_cluster
from ebmood.executors.slurm import slurm_cluster
from ebmood.study.records import read_records
from ebmood.study.runner import RECORDS, StudyObserver, run_study

pytest.importorskip("dask_jobqueue")
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.skipif(sys.platform == "win32" or not shutil.which("setsid"), reason="SLURM is for Linux"),
]


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Return a folder with replacements of SLURM's commands. A job is a group of processes on this machine."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    scripts = {
        "sbatch": f"""
            cp "$1" {folder}/job.$$
            setsid sh {folder}/job.$$ > {folder}/log.$$ 2>&1 < /dev/null &
            echo $! >> {folder}/jobs
            echo "Submitted batch job $!"
        """,
        "squeue": f"for job in $(cat {folder}/jobs); do kill -0 $job 2>/dev/null && echo $job; done; true",
        "scancel": "kill -9 -$1",
    }
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{textwrap.dedent(text)}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(TESTS), prepend=os.pathsep)
    monkeypatch.syspath_prepend(TESTS)
    monkeypatch.setattr(slurm, "UPDATE_SECONDS", 0.5)
    return folder


def jobs(folder: Path) -> list[int]:
    """Return the numbers of all submitted jobs."""
    path = folder / "jobs"
    return [int(job) for job in path.read_text().split()] if path.exists() else []


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_job_has_one_worker_on_one_core(tmp_path, monkeypatch):
    sbatch = tmp_path / "sbatch"
    sbatch.write_text(f'#!/bin/sh\ncat "$1" >> {tmp_path / "jobs"}\necho "Submitted batch job 7"\n')
    for name in ("scancel", "squeue"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def both_submitted() -> bool:
        path = tmp_path / "jobs"
        return path.exists() and path.read_text().count("#SBATCH -J") == 2

    with slurm_cluster("slurm:2", 2) as created:
        script = created.job_script()
        wait_until(both_submitted)
    assert "#SBATCH --cpus-per-task=1" in script
    assert "--nthreads 1" in script
    assert "--nworkers 1" in script or "--nworkers" not in script


@pytest.mark.slow
def test_cancelled_jobs_are_submitted_again_without_effect_on_waiting_cells(commands, tmp_path):
    study, cancelled, retried = make_study(tmp_path), [], []

    class JobCanceller(StudyObserver):
        """Cancels both jobs when one worker has written its id, while other cells wait for a worker."""

        def on_progress(self, tasks):
            if not cancelled and (tmp_path / "mark").exists() and (tmp_path / "mark").read_text():
                cancelled.extend(jobs(commands))
                for job in cancelled:
                    os.killpg(job, signal.SIGKILL)

        def on_retry(self, task):
            retried.append(task.key)

    with open_cluster("slurm:2") as opened:
        records = run_study(
            study, tmp_path / "out", jobs=4, observer=JobCanceller(), open_executor=opened.open_executor
        )
    assert [record.status for record in records] == ["done"] * 6
    assert len(cancelled) == 2
    assert len(retried) <= 2  # although four cells were submitted
    assert 1 <= len(set(jobs(commands)) - set(cancelled)) <= 2
    wait_until(lambda: not any(map(is_running, jobs(commands))), 10)


@pytest.mark.parametrize(
    ("sbatch", "message"),
    [
        ("echo invalid partition: nosuch >&2; exit 1", "jobs cannot be submitted .invalid partition: nosuch"),
        ("echo Submitted batch job 999999999", "jobs end before their workers connect; .* on job 999999999"),
    ],
)
def test_if_no_job_starts_it_is_an_error_and_no_cell_fails(commands, tmp_path, sbatch, message):
    (commands / "sbatch").write_text(f"#!/bin/sh\n{sbatch}\n")
    (commands / "jobs").touch()
    with pytest.raises(EbmoodError, match=message) as error, open_cluster("slurm:2") as opened:
        run_study(make_study(tmp_path), tmp_path / "out", jobs=2, open_executor=opened.open_executor)
    assert "\n" not in str(error.value)
    assert read_records(tmp_path / "out" / RECORDS) == []


@pytest.mark.parametrize("address", ["local:1", "slurm:1"])
def test_ctrl_c_during_the_start_of_a_cluster_is_raised_when_it_can_be_closed(address, commands, monkeypatch):
    name = {"local:1": "local_cluster", "slurm:1": "slurm_cluster"}[address]
    original, created = getattr(cluster, name), []

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)
        created.append(original(*arguments))
        return created[0]

    monkeypatch.setattr(cluster, name, interrupted)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), open_cluster(address):
        raise AssertionError("Ctrl-C was not raised")
    assert created[0].status.name == "closed"
    assert signal.getsignal(signal.SIGINT) is before  # importing dask-jobqueue sets another handler
