import socket
from concurrent.futures import BrokenExecutor

import pytest
from helpers.cluster_tasks import raise_missing_file, run_long
from helpers.running_cluster import TESTS, RunningCluster, wait_until

from ebmood.core.errors import EbmoodError
from ebmood.executors.cluster import open_cluster

pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def opened(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(TESTS)
    running = RunningCluster(tmp_path, workers=1)
    running.wait_for_workers()
    with open_cluster(running.address) as cluster:
        yield cluster
    running.close()


@pytest.mark.slow
def test_a_cancelled_task_ends_on_the_worker(opened, tmp_path):
    executor = opened.open_executor()
    future = executor.submit(run_long, tmp_path / "started", tmp_path / "ended")
    wait_until((tmp_path / "started").exists)
    executor.shutdown(cancel_futures=True)
    assert isinstance(future.exception(), BrokenExecutor)
    error = wait_until(lambda: (tmp_path / "ended").exists() and (tmp_path / "ended").read_text())
    assert "cancelled" in error


def test_an_error_of_a_task_names_its_machine(opened, tmp_path):
    executor = opened.open_executor()
    with pytest.raises(EbmoodError, match=rf"^on {socket.gethostname()}: .*missing.csv"):
        executor.submit(raise_missing_file, tmp_path / "missing.csv").result()
    executor.shutdown()
