"""What a study asks for, kept beside its records; and a study that runs seed by seed."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ebmood.core.errors import EbmoodError
from ebmood.study.plan import PLAN, read_plan
from ebmood.study.records import read_records
from ebmood.study.runner import RECORDS, Watcher, read_study, run_study
from ebmood.study.spec import Study, load_study

MOONS = "{kind: toy, shape: moons, rows: 120}"
RINGS = "{kind: toy, shape: rings, rows: 120}"


def here() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


@pytest.fixture
def study(tmp_path) -> Study:
    (tmp_path / "s.yaml").write_text(
        f"title: T\ndatasets:\n  - {MOONS}\n  - {RINGS}\nseeds: [2, 0]\nrecipes:\n"
        "  - knn\n  - {method: iforest, seeds: 2, datasets: moons}\n"
    )
    return load_study(str(tmp_path / "s.yaml"))


class Planned(Watcher):
    def planned(self, study, todo):
        self.cells, self.todo = len(study.tasks), [task.name for task in todo]


def test_one_seed_now_and_the_others_another_time(study, tmp_path):
    whole = run_study(study, tmp_path / "whole", open_executor=here)
    out, watcher = tmp_path / "out", Planned()
    first = run_study(study, out, seeds=[2], watcher=watcher, open_executor=here)
    assert watcher.todo == ["moons, knn, seed 2", "rings, knn, seed 2"]
    assert watcher.cells == 2  # the others are none of this run's
    assert [record.seed for record in first] == [2, 2]
    before = (out / RECORDS).read_bytes()

    plan, records = read_study(out)
    left = ["moons, knn, seed 0", "moons, iforest, seed 0", "moons, iforest, seed 1", "rings, knn, seed 0"]
    assert plan.not_run({record.key for record in records}) == left
    assert plan.left_out == tuple(key for key, name in plan.cells if name in left)
    assert plan.seeds == {"moons": (0, 1, 2), "rings": (0, 2)}

    rest = run_study(study, out, watcher=watcher, open_executor=here)
    assert watcher.todo == left
    assert (out / RECORDS).read_bytes().startswith(before)
    assert [record.results for record in rest] == [record.results for record in whole]
    plan, records = read_study(out)
    assert (plan.not_run({record.key for record in records}), plan.left_out) == ([], ())


def test_a_seed_that_the_study_does_not_have_is_refused_before_anything_is_written(study, tmp_path):
    with pytest.raises(EbmoodError, match=r"seed 3 is none of the study's, which are 0, 1, 2; mend --seed"):
        run_study(study, tmp_path / "out", seeds=[0, 3], open_executor=here)
    assert not (tmp_path / "out").exists()


def test_a_plan_of_an_earlier_version_can_be_read_and_a_broken_one_is_one_line(tmp_path: Path):
    assert read_plan(tmp_path) is None
    (tmp_path / PLAN).write_text('{"name": "s", "title": "T", "keys": ["a", "b"], "names": ["A", "B"]}')
    plan = read_plan(tmp_path)
    assert plan is not None
    assert plan.not_run({"a"}) == ["B"]
    (tmp_path / PLAN).write_text('{"title": ')
    with pytest.raises(EbmoodError, match=r"study\.json: cannot be read \(.+\); remove it and try again$"):
        read_plan(tmp_path)
    (tmp_path / PLAN).write_text('{"title": "T", "keys": ["a", "b"], "names": ["A"]}')
    with pytest.raises(EbmoodError, match=r"study\.json: cannot be read \(.*2 keys and 1 names\)"):
        read_plan(tmp_path)
    assert read_records(tmp_path / RECORDS) == []
