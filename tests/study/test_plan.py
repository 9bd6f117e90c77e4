"""The stored plan of a study, and studies that run one seed at a time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers.records import made_record

from ebmood.core.errors import EbmoodError
from ebmood.study.plan import PLAN, read_plan
from ebmood.study.records import read_records
from ebmood.study.runner import RECORDS, StudyObserver, read_study, run_study
from ebmood.study.study_file import Study, load_study

MOONS = "{kind: toy, shape: moons, rows: 120}"
RINGS = "{kind: toy, shape: rings, rows: 120}"


def thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


@pytest.fixture
def study(tmp_path) -> Study:
    (tmp_path / "s.yaml").write_text(
        f"title: T\ndatasets:\n  - {MOONS}\n  - {RINGS}\nseeds: [2, 0]\nrecipes:\n"
        "  - knn\n  - {method: iforest, seeds: 2, datasets: moons}\n"
    )
    return load_study(str(tmp_path / "s.yaml"))


class Start(StudyObserver):
    def on_start(self, study, todo):
        self.cells, self.todo = len(study.tasks), [task.name for task in todo]


def test_seeds_can_run_in_separate_runs(study, tmp_path):
    complete = run_study(study, tmp_path / "whole", open_executor=thread)
    out, observer = tmp_path / "out", Start()
    first = run_study(study, out, seeds=[2], observer=observer, open_executor=thread)
    assert observer.todo == ["moons, knn, seed 2", "rings, knn, seed 2"]
    assert observer.cells == 2
    assert [record.seed for record in first] == [2, 2]
    first_bytes = (out / RECORDS).read_bytes()

    plan, records = read_study(out)
    missing = ["moons, knn, seed 0", "moons, iforest, seed 0", "moons, iforest, seed 1", "rings, knn, seed 0"]
    assert plan.cells_without_record(records) == missing
    assert plan.left_out == tuple(key for key, name in plan.cells if name in missing)
    assert plan.seeds == {"moons": (0, 1, 2), "rings": (0, 2)}

    rest = run_study(study, out, observer=observer, open_executor=thread)
    assert observer.todo == missing
    assert (out / RECORDS).read_bytes().startswith(first_bytes)
    assert [record.results for record in rest] == [record.results for record in complete]
    plan, records = read_study(out)
    assert (plan.cells_without_record(records), plan.left_out) == ([], ())


def test_an_unknown_seed_raises_before_anything_is_written(study, tmp_path):
    with pytest.raises(EbmoodError, match=r"seeds=3: the study has no such seed; its seeds are 0, 1, 2"):
        run_study(study, tmp_path / "out", seeds=[0, 3], open_executor=thread)
    assert not (tmp_path / "out").exists()


def test_a_plan_without_seeds_can_be_read_and_a_broken_plan_raises_one_line(tmp_path: Path):
    assert read_plan(tmp_path) is None
    (tmp_path / PLAN).write_text('{"name": "s", "title": "T", "keys": ["a", "b"], "names": ["A", "B"]}')
    plan = read_plan(tmp_path)
    assert plan is not None
    assert plan.cells_without_record([made_record(key="a")]) == ["B"]
    (tmp_path / PLAN).write_text('{"title": ')
    with pytest.raises(EbmoodError, match=r"study\.json: cannot be read \(.+\); remove it and try again$"):
        read_plan(tmp_path)
    (tmp_path / PLAN).write_text('{"title": "T", "keys": ["a", "b"], "names": ["A"]}')
    with pytest.raises(EbmoodError, match=r"study\.json: cannot be read \(.*2 keys and 1 names\)"):
        read_plan(tmp_path)
    assert read_records(tmp_path / RECORDS) == []
