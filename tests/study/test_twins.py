"""Nudged twins of cells: their place in a study, and what they share with their cells."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from ebmood.core.errors import EbmoodError
from ebmood.data import Toy
from ebmood.density_scores import WAIC
from ebmood.recipes import METHODS, Recipe, waic_recipe
from ebmood.recipes import recipe as recipe_module
from ebmood.study.cell import Cell, cell_key, run_cell
from ebmood.study.records import Record, read_records
from ebmood.study.runner import RECORDS, StudyObserver, read_study, run_study
from ebmood.study.study_file import Study, load_study
from ebmood.study.twins import with_twins, without_twin

RESULTS = Path(__file__).parents[2] / "docs" / "results"
TOY = Toy(shape="moons", rows=300)
SPLINE = METHODS["spline"]("corrected", None).overridden(
    model={"hidden": (16,), "transforms": 1}, training={"steps": 5, "batch_size": 64}
)


def tiny(method: str = "ssm", gamma: float | None = None, **training) -> Recipe:
    settings = {"steps": 20, "warmup": 2, "batch_size": 64} | training
    return METHODS[method]("corrected", gamma).overridden(model={"hidden": (16,)}, training=settings)


def twin_of(cell: Cell) -> Cell:
    return cell.updated(nudged=True)


def thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


def make(folder: Path, recipes: str, seeds: int = 1) -> Study:
    text = f"title: T\ndatasets: {{kind: toy, shape: moons, rows: 120}}\nseeds: {seeds}\nrecipes: {recipes}\n"
    (folder / "s.yaml").write_text(text)
    return load_study(str(folder / "s.yaml"))


def numbers(record: Record) -> dict:
    return record.model_dump(exclude={"started", "seconds"})


class Left(StudyObserver):
    left = -1

    def on_start(self, study, todo):
        self.left = 0

    def on_stop(self, remaining):
        self.left = len(remaining)


def test_the_twin_follows_its_cell_and_keys_of_cells_do_not_change(tmp_path):
    study = make(tmp_path, "[{method: ssm, gamma: 1}, knn, {method: spline, score: {kind: waic, models: 2}}]")
    both = with_twins(study)
    assert [task.name for task in both.tasks] == [
        "moons, ssm corrected gamma=1, seed 0",
        "moons, ssm corrected gamma=1 nudged, seed 0",
        "moons, knn, seed 0",
        "moons, spline, seed 0",
        "moons, spline nudged, seed 0",
        "moons, spline-member-1, seed 0",
        "moons, spline-member-1 nudged, seed 0",
        "moons, spline-waic-2, seed 0",
    ]
    twins = [task for task in both.tasks if task.cell.nudged]
    assert [task for task in both.tasks if not task.cell.nudged] == list(study.tasks)
    assert len({task.key for task in both.tasks}) == 8
    assert not any(task.cell.keep for task in twins)  # the cache holds the weights of the cell itself
    assert without_twin(study) == {
        "trains no network by gradients": ["knn"],
        "combines models that have twins of their own": ["spline-waic-2"],
    }


def test_a_study_without_a_trained_network_is_an_error(tmp_path):
    with pytest.raises(EbmoodError, match=r"no cell of s trains a network .*\(knn, gmm: trains no network"):
        with_twins(make(tmp_path, "[knn, gmm]"))
    with pytest.raises(EbmoodError, match="has no weight to nudge"):
        METHODS["knn"]("both", None).fit(TOY.split(TOY.load(), 0), 0, nudged=True)


def test_the_twin_has_the_same_rows_and_streams_and_one_other_bit(monkeypatch):
    calls = []
    train = recipe_module.train

    def recorded(objective, x, y, training, seed, *rest, **named):
        weights = {name: value.clone() for name, value in objective.state_dict().items()}
        calls.append((weights, x, y, training, seed, torch.get_rng_state()))
        return train(objective, x, y, training, seed, *rest, **named)

    monkeypatch.setattr(recipe_module, "train", recorded)
    cell = Cell(dataset=TOY, recipe=tiny("vera", gamma=1.0), seed=3)
    run_cell(cell)
    run_cell(twin_of(cell))
    (a, *data), (b, *same) = calls
    assert all(torch.equal(x, y) if torch.is_tensor(x) else x == y for x, y in zip(data, same, strict=True))
    assert a.keys() == b.keys()
    different = [(a[name] != b[name]).sum() for name in a if not torch.equal(a[name], b[name])]
    assert different == [1]


def test_the_twin_of_a_training_that_contracts_is_nearly_equal():
    cell = Cell(dataset=TOY, recipe=tiny("nce", steps=60), seed=0)
    first, twin = run_cell(cell), run_cell(twin_of(cell))
    assert first.losses != twin.losses
    np.testing.assert_allclose(first.scores["id"], twin.scores["id"], atol=1e-4)
    for a, b in zip(first.results, twin.results, strict=True):
        assert abs(a.auroc - b.auroc) <= 1e-3


def test_the_record_names_the_cell_and_the_weight():
    cell = Cell(dataset=TOY, recipe=tiny(), seed=0)
    first, twin = run_cell(cell), run_cell(twin_of(cell))
    assert (first.twin_of, first.nudge) == (None, None)
    assert (twin.twin_of, twin.key) == (first.key, cell_key(twin_of(cell)))
    assert twin.nudge.parameter == "network.layers.0.weight"
    assert np.nextafter(np.float32(twin.nudge.before), np.float32(np.inf)) == np.float32(twin.nudge.after)
    assert Record.model_validate_json(twin.model_dump_json()) == twin
    nan = tiny().overridden(objective={"optimiser": {"lr": 1e30}})
    failed = run_cell(twin_of(cell.updated(recipe=nan)))
    assert (failed.status, failed.twin_of is None) == ("failed", False)


def test_the_twin_does_not_replace_the_weights_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path))
    member, *_ = waic_recipe(SPLINE, WAIC(models=2)).combination.members
    cell = Cell(dataset=TOY, recipe=member, seed=0, keep=True)
    run_cell(cell)
    [file] = (tmp_path / "models").glob("*.safetensors")
    content = file.read_bytes()
    run_cell(twin_of(cell))
    assert list((tmp_path / "models").glob("*.safetensors")) == [file]
    assert file.read_bytes() == content


def test_twins_that_stop_again_and_again_end_with_equal_records(tmp_path):
    study = with_twins(make(tmp_path, "[{method: ssm, gamma: 1, training: {steps: 60}}, iforest]"))
    expected = run_study(study, tmp_path / "without", open_executor=thread)
    observer, runs = Left(), 0
    while observer.left:
        deadline = time.time() + 0.15
        records = run_study(
            study, tmp_path / "out", observer=observer, deadline=deadline, open_executor=thread
        )
        runs += 1
    assert runs > 1
    assert [numbers(record) for record in records] == [numbers(record) for record in expected]
    assert [record.twin_of is None for record in records] == [True, False, True]


def test_twins_run_after_their_cells_and_are_read_without_asking_for_them(tmp_path):
    study, out = make(tmp_path, "[{method: ssm, training: {steps: 5}}, knn]", seeds=2), tmp_path / "out"
    run_study(study, out, open_executor=thread)
    before = (out / RECORDS).read_bytes()
    run_study(with_twins(study), out, seeds=[1], open_executor=thread)
    assert (out / RECORDS).read_bytes().startswith(before)
    (twin,) = [record for record in read_records(out / RECORDS) if record.twin_of]
    assert twin.seed == 1
    plan, records = read_study(out)
    assert plan.cells_without_record(records) == ["moons, ssm corrected nudged, seed 0"]
    run_study(study, out, open_executor=thread)
    plan, records = read_study(out)
    assert plan.cells_without_record(records) == []
    assert [record.key for record in records] == [*plan.keys, twin.key]
    run_study(make(tmp_path, "[knn]", seeds=2), out, open_executor=thread)
    assert not any(record.twin_of for record in read_study(out)[1])  # twins of cells of another study


@pytest.mark.skipif(not RESULTS.exists(), reason="needs the repository")
def test_committed_twins_have_committed_cells_of_the_same_versions():
    twins = read_records(RESULTS / "gamma" / "nudged.jsonl")
    names = ("segment/records.jsonl", "modern/records.jsonl", "gamma/nudged.jsonl")
    cells = {record.key: record for name in names for record in read_records(RESULTS / name)}
    assert any(twin.twin_of for twin in twins)
    for twin in (twin for twin in twins if twin.twin_of):
        cell = cells[twin.twin_of]
        described = ("method", "variant", "gamma", "seed", "dataset_digest", "versions")
        assert [getattr(cell, name) for name in described] == [getattr(twin, name) for name in described]
