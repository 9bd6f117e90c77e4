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
from ebmood.study.runner import RECORDS, Watcher, read_study, run_study
from ebmood.study.spec import Study, load_study

# A detector that a study may name by import path, and that misbehaves as told.
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
            raise RuntimeError("no luck today")
        return super().fit(x)
"""


@pytest.fixture
def trouble(tmp_path, monkeypatch) -> Path:
    (tmp_path / "trouble.py").write_text(TROUBLE)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "mark"


class Notes(Watcher):
    def __init__(self) -> None:
        self.todo: list[str] = []
        self.done: list[str] = []
        self.again: list[str] = []

    def planned(self, study, todo):
        self.todo = [task.name for task in todo]

    def finished(self, task, record):
        self.done.append(task.name)

    def retried(self, task):
        self.again.append(task.name)


def here() -> ThreadPoolExecutor:
    """Cells on a thread of this process: the same seam, without the seconds that a process takes to start."""
    return ThreadPoolExecutor(1)


def make(folder: Path, recipes: str, seeds: int | list[int] = 2) -> Study:
    text = f"title: T\ndatasets: {{kind: toy, shape: moons, rows: 120}}\nseeds: {seeds}\nrecipes:\n"
    (folder / "study.yaml").write_text(text + textwrap.dedent(recipes).replace("\n-", "\n  -"))
    return load_study(str(folder / "study.yaml"))


def numbers(record) -> dict:
    return record.model_dump(exclude={"started", "seconds"})


def test_records_are_equal_to_the_bit_for_one_job_and_for_two(tmp_path):
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
    assert one[0].results != one[3].results  # another seed, other numbers
    assert not (tmp_path / "two" / "progress").exists()


def test_a_worker_that_dies_costs_one_retry_and_nothing_else(tmp_path, trouble):
    # One seed of it: which of two cells would die, the machine would choose.
    entry = f"{{detector: trouble.DiesOnce, parameters: {{mark: {trouble}}}, seeds: 1}}"
    study = make(tmp_path, f"\n- knn\n- {entry}\n- iforest\n", seeds=2)
    watcher = Notes()
    records = run_study(study, tmp_path / "out", jobs=2, watcher=watcher)
    assert [record.status for record in records] == ["done"] * 5
    assert watcher.again == ["moons, diesonce, seed 0"]
    assert sorted(watcher.done) == sorted(task.name for task in study.tasks)
    assert len(read_records(tmp_path / "out" / RECORDS)) == 5


def test_a_worker_that_always_dies_is_a_failed_cell_and_the_others_stand(tmp_path, trouble):
    entry = f"{{detector: trouble.DiesOnce, parameters: {{mark: {trouble}, always: true}}}}"
    study = make(tmp_path, f"\n- knn\n- {entry}\n", seeds=1)
    fine, died = run_study(study, tmp_path / "out", jobs=1)
    assert (died.status, fine.status) == ("failed", "done")
    assert "process died twice" in died.reason
    assert (died.method, died.dataset, died.key) == ("diesonce", "moons", study.tasks[1].key)


def test_a_cell_outlives_as_many_workers_as_leave_a_checkpoint_behind(tmp_path):
    """As on a cluster whose jobs are shorter than a cell."""

    class Dies(ThreadPoolExecutor):
        def submit(self, fn, /, *args, **kwargs):
            _, files, _ = args
            if files.reached < 4:
                files.checkpoints.mkdir(parents=True, exist_ok=True)
                (files.checkpoints / f".{files.reached + 9:06d}.json").touch()  # a torn one is none
                (files.checkpoints / f"{files.reached + 1:06d}.json").touch()
                future: Future = Future()
                future.set_exception(BrokenExecutor())
                return future
            return super().submit(fn, *args, **kwargs)

    watcher = Notes()
    study = make(tmp_path, "\n- knn\n", seeds=1)
    (record,) = run_study(study, tmp_path / "out", watcher=watcher, open_executor=lambda: Dies(1))
    assert record.status == "done"
    assert watcher.again == ["moons, knn, seed 0"] * 4


def test_a_failed_cell_stands_in_the_records_and_is_run_again_only_if_asked(tmp_path, trouble):
    study = make(
        tmp_path, f"\n- {{detector: trouble.Raises, parameters: {{mark: {trouble}}}}}\n- knn\n", seeds=1
    )
    out = tmp_path / "out"
    failed, fine = run_study(study, out, open_executor=here)
    assert (failed.status, fine.status) == ("failed", "done")
    assert "no luck today" in failed.reason

    trouble.touch()  # from now on it would work
    watcher = Notes()
    assert run_study(study, out, watcher=watcher, open_executor=here)[0].status == "failed"
    assert watcher.todo == []
    assert run_study(study, out, watcher=watcher, open_executor=here, retry_failed=True)[0].status == "done"
    assert watcher.done == ["moons, raises, seed 0"]
    assert [record.status for record in read_study(out)[1]] == ["done", "done"]


def test_running_twice_runs_nothing_new_and_a_longer_study_runs_the_rest(tmp_path):
    out, first, second, third = tmp_path / "out", Notes(), Notes(), Notes()
    run_study(make(tmp_path, "\n- knn\n"), out, watcher=first, open_executor=here)
    before = (out / RECORDS).read_bytes()
    run_study(make(tmp_path, "\n- knn\n"), out, watcher=second, open_executor=here)
    assert (len(first.done), second.todo, (out / RECORDS).read_bytes()) == (2, [], before)
    records = run_study(make(tmp_path, "\n- knn\n- iforest\n", 3), out, watcher=third, open_executor=here)
    assert len(third.done) == 4
    assert len(records) == 6
    assert (out / RECORDS).read_bytes().startswith(before)


def test_tables_are_of_the_study_last_run_there(tmp_path):
    out = tmp_path / "out"
    run_study(make(tmp_path, "\n- knn\n- iforest\n"), out, open_executor=here)
    run_study(make(tmp_path, "\n- knn\n"), out, open_executor=here)
    plan, records = read_study(out)
    assert (plan.title, [record.method for record in records]) == ("T", ["knn", "knn"])
    (out / "study.json").unlink()
    assert len(read_study(out)[1]) == 4
    with pytest.raises(EbmoodError, match="no records"):
        read_study(tmp_path / "elsewhere")


def test_an_interrupted_study_goes_on(tmp_path):
    class Impatient(Notes):
        def finished(self, task, record):
            raise KeyboardInterrupt

    study, out, watcher = make(tmp_path, "\n- knn\n"), tmp_path / "out", Notes()
    with pytest.raises(KeyboardInterrupt):
        run_study(study, out, watcher=Impatient(), open_executor=here)
    assert len(read_records(out / RECORDS)) == 1
    assert len(run_study(study, out, watcher=watcher, open_executor=here)) == 2
    assert watcher.done == ["moons, knn, seed 1"]


def test_a_torn_last_line_costs_its_cell_alone(tmp_path):
    study, out, watcher = make(tmp_path, "\n- knn\n", 3), tmp_path / "out", Notes()
    run_study(study, out, open_executor=here)
    whole = (out / RECORDS).read_bytes()
    (out / RECORDS).write_bytes(whole[:-40])
    records = run_study(study, out, watcher=watcher, open_executor=here)
    assert watcher.done == ["moons, knn, seed 2"]
    assert [record.seed for record in records] == [0, 1, 2]
    assert [json.loads(line)["seed"] for line in (out / RECORDS).read_bytes().splitlines()] == [0, 1, 2]


def test_a_full_disk_leaves_earlier_records_intact(tmp_path):
    out = tmp_path / "out"
    run_study(make(tmp_path, "\n- knn\n", 1), out, open_executor=here)
    before = (out / RECORDS).read_bytes()
    study = make(tmp_path, "\n- knn\n", 2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 1000, hard))  # no file may grow beyond this
    try:
        with pytest.raises(EbmoodError, match=r"records\.jsonl: cannot be written"):
            run_study(study, out, open_executor=here)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(read_records(out / RECORDS)) == 1
    assert len(run_study(study, out, open_executor=here)) == 2
    assert (out / RECORDS).read_bytes().startswith(before)


def test_two_studies_do_not_write_into_one_folder(tmp_path):
    study, out = make(tmp_path, "\n- knn\n", 1), tmp_path / "out"

    class Another(Watcher):
        def planned(self, study, todo):
            with pytest.raises(EbmoodError, match=rf"another run is writing here \(process {os.getpid()}\)"):
                run_study(study, out, open_executor=here)

    assert len(run_study(study, out, watcher=Another(), open_executor=here)) == 1
    assert len(run_study(study, out, open_executor=here)) == 1  # and the lock is gone


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        EbmoodError, match=r"file/out: cannot be written \(Not a directory\); choose another folder"
    ):
        run_study(make(tmp_path, "\n- knn\n", 1), tmp_path / "file" / "out", open_executor=here)


def test_workers_pin_threads_before_any_library_counts_cores():
    code = "import sys, ebmood.study.worker; print({'torch', 'numpy', 'sklearn'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_a_worker_ends_with_its_parent_however_that_ends(tmp_path):
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
    worker = int(_when(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    assert _alive(worker)
    os.kill(worker, signal.SIGINT)  # Ctrl-C is the parent's to hear
    time.sleep(0.2)
    assert _alive(worker)
    parent.kill()
    parent.wait()
    assert _when(lambda: not _alive(worker))


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _when(condition, seconds: float = 20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("it did not come to pass")
