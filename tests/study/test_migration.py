"""Studies of version 0.1 remain usable: their records are found and read."""

import json
from pathlib import Path

import pytest

from ebmood.core.errors import DegenerateObjectiveWarning
from ebmood.recipes import IMAGE_METHODS, METHODS, recipe_for
from ebmood.study import migration
from ebmood.study.migration import current_key, current_record
from ebmood.study.plan import PLAN, read_plan
from ebmood.study.records import read_records
from ebmood.study.runner import RECORDS, StudyObserver, latest_records, read_study, run_study
from ebmood.study.study_file import load_study

RESULTS = Path(__file__).parents[2] / "docs" / "results"
needs_results = pytest.mark.skipif(not RESULTS.exists(), reason="needs the repository")


def preset(name):
    with pytest.warns(DegenerateObjectiveWarning):
        return load_study(name)


@needs_results
@pytest.mark.parametrize("name", ["segment", "gamma", "fmnist-small", "cifar10-small"])
def test_every_committed_record_of_0_1_has_a_current_key(name):
    records = [json.loads(line) for line in (RESULTS / name / RECORDS).read_text().splitlines()]
    keys = {record["key"] for record in records if record["versions"]["ebmood"] == "0.1.0"}
    assert len(keys) > 30
    assert all(current_key(key) != key for key in keys)


@needs_results
def test_the_committed_records_of_segment_leave_only_later_seeds_of_ssm_to_run(tmp_path):
    class Start(StudyObserver):
        def on_start(self, study, todo):
            self.cells, self.todo = len(study.tasks), todo

    content = (RESULTS / "segment" / RECORDS).read_bytes()
    (tmp_path / RECORDS).write_bytes(content)
    observer = Start()
    records = run_study(preset("segment"), tmp_path, deadline=0.0, observer=observer)  # starts no cell
    assert observer.cells == len(records) + len(observer.todo) == 119
    assert all(task.cell.recipe.method == "ssm" and task.cell.seed >= 5 for task in observer.todo)
    assert (tmp_path / RECORDS).read_bytes() == content
    missing = [task.name for task in observer.todo]
    assert read_study(tmp_path)[0].cells_without_record(records) == missing


@needs_results
def test_the_committed_records_of_segment_and_gamma_cover_the_gamma_study():
    records = [*read_records(RESULTS / "segment" / RECORDS), *read_records(RESULTS / "gamma" / RECORDS)]
    study = preset("gamma")
    assert {task.key for task in study.tasks} <= latest_records(records).keys()
    recorded = latest_records(read_records(RESULTS / "gamma" / RECORDS)).keys()
    assert len(recorded & {task.key for task in study.tasks}) == 66


def test_a_plan_of_version_0_1_has_current_keys(tmp_path, monkeypatch):
    monkeypatch.setattr(migration, "_current_keys", lambda: {"old": "new"})
    (tmp_path / PLAN).write_text('{"title": "T", "keys": ["old", "b"], "left_out": ["old"]}')
    plan = read_plan(tmp_path)
    assert plan is not None
    assert (plan.keys, plan.left_out) == (("new", "b"), ("new",))


def test_fields_of_version_0_1_are_converted_and_current_ones_are_unchanged():
    old = {"method": "knn", "variant": "both", "settings": {"recipe": {"variant": "sound", "gamma": 1}}}
    new = current_record(old)
    assert new["title"] == "kNN"
    assert new["settings"]["recipe"] == {"variant": "corrected", "gamma": 1}
    assert old["settings"]["recipe"]["variant"] == "sound"
    assert current_record({"method": "onedetector"})["title"] == "onedetector"
    current = {"method": "ssm", "variant": "corrected", "title": "My SSM"}
    assert current_record(current) == current


def test_titles_of_version_0_1_are_those_of_the_recipes():
    tables = {name: recipe_for(name, "corrected", None, (3,)).title for name in METHODS}
    images = {name: recipe_for(name, "corrected", None, (1, 8, 8)).title for name in IMAGE_METHODS}
    titles = tables | images
    assert migration.TITLES.items() <= titles.items()
