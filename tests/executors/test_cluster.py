"""Studies on a Dask cluster with a scheduler and workers in their own processes."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers.running_cluster import TESTS, RunningCluster, make_study

from ebmood.core.errors import EbmoodError
from ebmood.executors.cluster import open_cluster
from ebmood.study.records import read_records
from ebmood.study.runner import RECORDS, StudyObserver, run_study

pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # sockets of a killed scheduler
]


@pytest.fixture
def cluster(tmp_path, monkeypatch, cache):
    monkeypatch.syspath_prepend(TESTS)
    running = RunningCluster(tmp_path, workers=2)
    running.wait_for_workers()
    yield running
    running.close()


def results(record) -> dict:
    return record.model_dump(exclude={"started", "seconds"})


class WorkerKiller(StudyObserver):
    """Kills the process that has written its id to a file."""

    def __init__(self, mark):
        self.mark = mark
        self.killed = 0

    def on_progress(self, tasks):
        if not self.killed and self.mark.exists():
            self.killed = int(self.mark.read_text())
            os.kill(self.killed, signal.SIGKILL)


@pytest.mark.slow
def test_the_cell_of_a_killed_worker_is_tried_again(cluster, tmp_path):
    study, killer, out = make_study(tmp_path), WorkerKiller(tmp_path / "mark"), tmp_path / "out"
    with open_cluster(cluster.address) as opened:
        records = run_study(study, out, jobs=2, observer=killer, open_executor=opened.open_executor)
    assert killer.killed in [worker.pid for worker in cluster.workers]
    assert [record.status for record in records] == ["done"] * 6
    assert len(read_records(out / RECORDS)) == 6
    assert not (out / "progress").exists()
    # In this process, one cell after the other. The mark exists, so no cell waits.
    serial = run_study(study, tmp_path / "serial", open_executor=lambda: ThreadPoolExecutor(1))
    assert [results(record) for record in records] == [results(record) for record in serial]


@pytest.mark.slow
def test_a_lost_scheduler_ends_the_study_and_keeps_its_records(cluster, tmp_path):
    class SchedulerKiller(StudyObserver):
        def on_finish(self, task, record):
            cluster.scheduler.kill()

    study, out = make_study(tmp_path), tmp_path / "out"
    (tmp_path / "mark").touch()
    with (
        pytest.raises(EbmoodError, match="the scheduler was lost; finished results are kept"),
        open_cluster(cluster.address) as opened,
    ):
        run_study(study, out, observer=SchedulerKiller(), open_executor=opened.open_executor)
    assert [record.status for record in read_records(out / RECORDS)] == ["done"]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("tcp://127.0.0.1:9", "no Dask scheduler answers at this address"),
        ("http://head:8786", "write local:N, slurm:N, or the address"),
        ("local:0", "write local:N"),
        ("slurm:2", "no command `sbatch`"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_an_error_of_one_line_within_seconds(address, message, monkeypatch):
    monkeypatch.setenv("PATH", "")
    start = time.monotonic()
    with pytest.raises(EbmoodError, match=message) as error, open_cluster(address):
        pass
    assert "\n" not in str(error.value)
    assert time.monotonic() - start < 10
