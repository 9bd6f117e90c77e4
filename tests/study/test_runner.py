import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from ebmood.core.errors import EbmoodError
from ebmood.study.records import read_records
from ebmood.study.runner import RECORDS, StudyObserver, read_study, run_study
from ebmood.study.study_file import Study, load_study

# Detectors that fail on request; a study names them by import path.
TROUBLE = """
import os, signal
from pathlib import Path
from ebmood.models.knn import KNearestNeighbours

class DiesOnce(KNearestNeighbours):
    def __init__(self, mark="", always=False):
        super().__init__()
        self.mark, self.always = mark, always
    def fit(self, x):
        if self.always or not Path(self.mark).exists():
            Path(self.mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(x)

class Raises(KNearestNeighbours):
    def __init__(self, mark=""):
        super().__init__()
        self.mark = mark
    def fit(self, x):
        if not Path(self.mark).exists():
            raise RuntimeError("deliberate failure")
        return super().fit(x)
"""


@pytest.fixture
def trouble(tmp_path, monkeypatch) -> Path:
    (tmp_path / "trouble.py").write_text(TROUBLE)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "mark"


class Log(StudyObserver):
    def __init__(self) -> None:
        self.todo: list[str] = []
        self.done: list[str] = []
        self.retried: list[str] = []
        self.left: list[str] = []
        self.abandoned: list[str] = []

    def on_start(self, study, todo):
        self.todo = [task.name for task in todo]

    def on_finish(self, task, record):
        self.done.append(task.name)

    def on_retry(self, task):
        self.retried.append(task.name)

    def on_abandoned(self, checkpoints):
        self.abandoned = [path.name for path in checkpoints]

    def on_stop(self, remaining):
        self.left = [task.name for task in remaining]


def thread() -> ThreadPoolExecutor:
    """An executor in this process, which starts faster than a worker process."""
    return ThreadPoolExecutor(1)


def make(folder: Path, recipes: str, seeds: int | list[int] = 2) -> Study:
    text = f"title: T\ndatasets: {{kind: toy, shape: moons, rows: 120}}\nseeds: {seeds}\nrecipes:\n"
    (folder / "study.yaml").write_text(text + textwrap.dedent(recipes).replace("\n-", "\n  -"))
    return load_study(str(folder / "study.yaml"))


def numbers(record) -> dict:
    return record.model_dump(exclude={"started", "seconds"})


@pytest.mark.slow
def test_one_job_and_two_jobs_give_equal_records(tmp_path):
    study = make(
        tmp_path,
        """
- {method: ssm, gamma: 1, training: {steps: 20}}
- {method: spline, training: {steps: 9}}
- iforest
""",
        seeds=2,
    )
    one = run_study(study, tmp_path / "one", jobs=1)
    two = run_study(study, tmp_path / "two", jobs=2)
    assert [record.status for record in one] == ["done"] * 6
    assert [numbers(record) for record in one] == [numbers(record) for record in two]
    assert one[0].results != one[3].results
    assert not (tmp_path / "two" / "progress").exists()


def test_a_study_that_stops_again_and_again_ends_with_equal_records(tmp_path):
    study = make(tmp_path, "\n- {method: ssm, gamma: 1, training: {steps: 60}}\n- iforest\n", seeds=1)
    expected = run_study(study, tmp_path / "without", open_executor=thread)
    out, observers = tmp_path / "out", []
    while not observers or observers[-1].left:
        observers.append(Log())
        deadline = time.time() + 0.15
        records = run_study(study, out, observer=observers[-1], deadline=deadline, open_executor=thread)
    assert len(observers) > 1
    assert [numbers(record) for record in records] == [numbers(record) for record in expected]
    assert not (out / "checkpoints").exists()


def test_checkpoints_of_cells_that_the_study_no_longer_has_are_reported(tmp_path):
    out, observer = tmp_path / "out", Log()
    [before] = make(tmp_path, "\n- {method: ssm, training: {steps: 60}}\n", seeds=1).tasks
    (out / "checkpoints" / before.key).mkdir(parents=True)
    study = make(tmp_path, "\n- {method: ssm, training: {steps: 2}}\n- knn\n", seeds=1)
    (out / "checkpoints" / study.tasks[0].key).mkdir()
    run_study(study, out, deadline=0.0, observer=observer, open_executor=thread)
    assert observer.abandoned == [before.key]
    run_study(study, out, observer=observer, open_executor=thread)
    assert [path.name for path in (out / "checkpoints").iterdir()] == [before.key]


def test_no_cell_starts_after_the_deadline(tmp_path):
    study, observer = make(tmp_path, "\n- knn\n", seeds=2), Log()
    assert run_study(study, tmp_path / "out", deadline=0.0, observer=observer, open_executor=thread) == []
    assert observer.left == observer.todo
    assert len(observer.left) == 2


def test_a_cell_without_checkpoints_is_ended_after_the_grace_period(tmp_path, monkeypatch):
    ended = []

    class Runs(ThreadPoolExecutor):
        def submit(self, fn, /, *args, **kwargs):
            return Future()  # never done

        def shutdown(self, wait=True, *, cancel_futures=False):
            ended.append(cancel_futures)

    monkeypatch.setattr("ebmood.study.runner.GRACE", 0.2)
    study, observer = make(tmp_path, "\n- knn\n", seeds=1), Log()
    deadline = time.time() + 0.2
    run_study(study, tmp_path / "out", deadline=deadline, observer=observer, open_executor=lambda: Runs(1))
    assert 0.4 < time.time() - deadline + 0.2 < 5
    assert (ended, observer.left) == ([True], observer.todo)


@pytest.mark.slow
def test_a_worker_that_dies_once_is_retried(tmp_path, trouble):
    # One seed only: with two, the order of the workers would decide which cell dies.
    entry = f"{{detector: trouble.DiesOnce, parameters: {{mark: {trouble}}}, seeds: 1}}"
    study = make(tmp_path, f"\n- knn\n- {entry}\n- iforest\n", seeds=2)
    observer = Log()
    records = run_study(study, tmp_path / "out", jobs=2, observer=observer)
    assert [record.status for record in records] == ["done"] * 5
    assert observer.retried == ["moons, diesonce, seed 0"]
    assert sorted(observer.done) == sorted(task.name for task in study.tasks)
    assert len(read_records(tmp_path / "out" / RECORDS)) == 5


@pytest.mark.slow
def test_a_worker_that_always_dies_makes_a_failed_record_and_other_cells_finish(tmp_path, trouble):
    entry = f"{{detector: trouble.DiesOnce, parameters: {{mark: {trouble}, always: true}}}}"
    study = make(tmp_path, f"\n- knn\n- {entry}\n", seeds=1)
    other, died = run_study(study, tmp_path / "out", jobs=1)
    assert (died.status, other.status) == ("failed", "done")
    assert "process died twice" in died.reason
    assert (died.method, died.dataset, died.key) == ("diesonce", "moons", study.tasks[1].key)


def test_a_cell_is_retried_as_long_as_each_worker_leaves_a_new_checkpoint(tmp_path):
    class Dies(ThreadPoolExecutor):
        def submit(self, fn, /, *args, **kwargs):
            _, paths, *_ = args
            if paths.newest_checkpoint < 4:
                paths.checkpoints.mkdir(parents=True, exist_ok=True)
                (
                    paths.checkpoints / f".{paths.newest_checkpoint + 9:06d}.json"
                ).touch()  # an incomplete one, ignored
                (paths.checkpoints / f"{paths.newest_checkpoint + 1:06d}.json").touch()
                future: Future = Future()
                future.set_exception(BrokenExecutor())
                return future
            return super().submit(fn, *args, **kwargs)

    observer = Log()
    study = make(tmp_path, "\n- knn\n", seeds=1)
    (record,) = run_study(study, tmp_path / "out", observer=observer, open_executor=lambda: Dies(1))
    assert record.status == "done"
    assert observer.retried == ["moons, knn, seed 0"] * 4


def test_a_failed_cell_is_recorded_and_runs_again_only_on_request(tmp_path, trouble):
    study = make(
        tmp_path, f"\n- {{detector: trouble.Raises, parameters: {{mark: {trouble}}}}}\n- knn\n", seeds=1
    )
    out = tmp_path / "out"
    failed, other = run_study(study, out, open_executor=thread)
    assert (failed.status, other.status) == ("failed", "done")
    assert "deliberate failure" in failed.reason

    trouble.touch()  # the detector works from now on
    observer = Log()
    assert run_study(study, out, observer=observer, open_executor=thread)[0].status == "failed"
    assert observer.todo == []
    assert (
        run_study(study, out, observer=observer, open_executor=thread, retry_failed=True)[0].status == "done"
    )
    assert observer.done == ["moons, raises, seed 0"]
    assert [record.status for record in read_study(out)[1]] == ["done", "done"]


def test_a_second_run_has_nothing_to_do_and_a_longer_study_runs_the_new_cells(tmp_path):
    out, first, second, third = tmp_path / "out", Log(), Log(), Log()
    run_study(make(tmp_path, "\n- knn\n"), out, observer=first, open_executor=thread)
    before = (out / RECORDS).read_bytes()
    run_study(make(tmp_path, "\n- knn\n"), out, observer=second, open_executor=thread)
    assert (len(first.done), second.todo, (out / RECORDS).read_bytes()) == (2, [], before)
    records = run_study(make(tmp_path, "\n- knn\n- iforest\n", 3), out, observer=third, open_executor=thread)
    assert len(third.done) == 4
    assert len(records) == 6
    assert (out / RECORDS).read_bytes().startswith(before)


def test_read_study_returns_the_study_last_run_in_the_folder(tmp_path):
    out = tmp_path / "out"
    run_study(make(tmp_path, "\n- knn\n- iforest\n"), out, open_executor=thread)
    run_study(make(tmp_path, "\n- knn\n"), out, open_executor=thread)
    plan, records = read_study(out)
    assert (plan.title, [record.method for record in records]) == ("T", ["knn", "knn"])
    (out / "study.json").unlink()
    assert len(read_study(out)[1]) == 4
    with pytest.raises(EbmoodError, match="no records"):
        read_study(tmp_path / "elsewhere")


def test_an_interrupted_study_resumes(tmp_path):
    class Interrupts(Log):
        def on_finish(self, task, record):
            raise KeyboardInterrupt

    study, out, observer = make(tmp_path, "\n- knn\n"), tmp_path / "out", Log()
    with pytest.raises(KeyboardInterrupt):
        run_study(study, out, observer=Interrupts(), open_executor=thread)
    assert len(read_records(out / RECORDS)) == 1
    assert len(run_study(study, out, observer=observer, open_executor=thread)) == 2
    assert observer.done == ["moons, knn, seed 1"]


def test_an_incomplete_last_line_affects_only_its_cell(tmp_path):
    study, out, observer = make(tmp_path, "\n- knn\n", 3), tmp_path / "out", Log()
    run_study(study, out, open_executor=thread)
    whole = (out / RECORDS).read_bytes()
    (out / RECORDS).write_bytes(whole[:-40])
    records = run_study(study, out, observer=observer, open_executor=thread)
    assert observer.done == ["moons, knn, seed 2"]
    assert [record.seed for record in records] == [0, 1, 2]
    assert [json.loads(line)["seed"] for line in (out / RECORDS).read_bytes().splitlines()] == [0, 1, 2]


def test_a_full_disk_leaves_earlier_records_intact(tmp_path):
    out = tmp_path / "out"
    run_study(make(tmp_path, "\n- knn\n", 1), out, open_executor=thread)
    before = (out / RECORDS).read_bytes()
    study = make(tmp_path, "\n- knn\n", 2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 1000, hard))  # maximal size of any file
    try:
        with pytest.raises(EbmoodError, match=r"records\.jsonl: cannot be written"):
            run_study(study, out, open_executor=thread)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(read_records(out / RECORDS)) == 1
    assert len(run_study(study, out, open_executor=thread)) == 2
    assert (out / RECORDS).read_bytes().startswith(before)


def test_two_studies_cannot_write_to_one_folder(tmp_path):
    study, out = make(tmp_path, "\n- knn\n", 1), tmp_path / "out"

    class SecondRun(StudyObserver):
        def on_start(self, study, todo):
            with pytest.raises(EbmoodError, match=rf"another run is writing here \(process {os.getpid()}\)"):
                run_study(study, out, open_executor=thread)

    assert len(run_study(study, out, observer=SecondRun(), open_executor=thread)) == 1
    assert len(run_study(study, out, open_executor=thread)) == 1  # the lock is released


def test_a_folder_that_cannot_be_written_raises_one_line(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(
        EbmoodError, match=r"file/out: cannot be written \(Not a directory\); choose another folder"
    ):
        run_study(make(tmp_path, "\n- knn\n", 1), tmp_path / "file" / "out", open_executor=thread)


def test_the_worker_module_imports_no_heavy_library():
    code = "import sys, ebmood.study.worker; print({'torch', 'numpy', 'sklearn'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_a_worker_ends_when_its_parent_is_killed(tmp_path):
    code = f"""
        import os, time
        from pathlib import Path
        from ebmood.executors.process import SingleProcessExecutor
        if __name__ == "__main__":
            executor = SingleProcessExecutor()
            pid = executor.submit(os.getpid).result()
            executor.submit(time.sleep, 60)
            Path({str(tmp_path / "pid")!r}).write_text(str(pid))
            time.sleep(60)
    """
    (tmp_path / "parent.py").write_text(textwrap.dedent(code))
    parent = subprocess.Popen([sys.executable, str(tmp_path / "parent.py")])
    worker = int(_wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    assert _alive(worker)
    os.kill(worker, signal.SIGINT)  # workers ignore Ctrl-C
    time.sleep(0.2)
    assert _alive(worker)
    parent.kill()
    parent.wait()
    assert _wait_for(lambda: not _alive(worker))


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _wait_for(condition, seconds: float = 20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("timeout")
