import json
import math

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ebmood.core.errors import EbmoodError
from ebmood.core.metrics import separation
from ebmood.data import Segment, Table, Toy
from ebmood.density_scores import WAIC, GradientNorm, LikelihoodRatio, Typicality
from ebmood.models import DensityScorer
from ebmood.recipes import METHODS, external_detector, likelihood_ratio_recipe, waic_recipe
from ebmood.recipes import recipe as recipe_module
from ebmood.study import cell as cells
from ebmood.study.cell import Cell, cell_key, run_cell
from ebmood.study.records import Record
from ebmood.study.schema import ImageFiles
from ebmood.study.study_file import load_study

TOY = Toy(shape="moons", rows=300)


def tiny(method="ssm", variant="corrected", gamma=None):
    return METHODS[method](variant, gamma).overridden(
        model={"hidden": (16,)}, training={"steps": 20, "warmup": 2, "batch_size": 64}
    )


def numbers(record: Record) -> dict:
    """All fields of a record except its times."""
    return record.model_dump(exclude={"started", "seconds"})


def test_a_cell_is_a_pure_function_of_its_settings():
    first = run_cell(Cell(dataset=TOY, recipe=tiny(), seed=3))
    run_cell(Cell(dataset=TOY, recipe=tiny(), seed=4))
    assert numbers(run_cell(Cell(dataset=TOY, recipe=tiny(), seed=3))) == numbers(first)
    other = run_cell(Cell(dataset=TOY, recipe=tiny(), seed=4))
    assert other.scores != first.scores
    assert other.key != first.key


def test_a_record_can_be_read_from_its_json():
    record = run_cell(Cell(dataset=TOY, recipe=tiny(), seed=0))
    assert Record.model_validate_json(record.model_dump_json()) == record
    assert json.loads(record.model_dump_json())["settings"]["recipe"]["objective"]["kind"] == "ssm"


def test_the_key_depends_on_all_settings_that_change_the_numbers():
    base = Cell(dataset=TOY, recipe=tiny(), seed=0)
    same = [
        base.updated(device="auto"),
        base.updated(recipe=tiny().updated(shortened=False)),
        base.updated(recipe=tiny().updated(title="Another title")),
    ]
    other = [
        base.updated(seed=1),
        base.updated(selection="paper"),
        base.updated(dataset=TOY.updated(duplicates="across")),
        base.updated(dataset=TOY.updated(rows=301)),
        base.updated(recipe=tiny().overridden(objective={"optimiser": {"lr": 2e-3}})),
        base.updated(recipe=tiny(gamma=1.0)),
    ]
    assert {cell_key(cell) for cell in same} == {cell_key(base)}
    assert len({cell_key(cell) for cell in [base, *other]}) == 1 + len(other)


def test_the_key_depends_on_the_versions_of_splits_and_probes(monkeypatch):
    cell = Cell(dataset=TOY, recipe=tiny(), seed=0)
    key = cell_key(cell)
    monkeypatch.setattr(Toy, "versions", lambda self: (99, 1))
    assert cell_key(cell) != key


def test_the_key_depends_on_the_content_of_a_file_and_not_on_its_path(tmp_path):
    def key_of_file(name, value):
        rows = [f"{i % 7},{i % 5 + value},{'ab'[i % 2]}" for i in range(60)]
        (tmp_path / name).write_text("u,v,kind\n" + "\n".join(rows) + "\n")
        source = Table(path=str(tmp_path / name), label_column="kind", hold_out=("b",), name="t")
        return cell_key(Cell(dataset=source, recipe=METHODS["knn"]("both", None), seed=0))

    assert key_of_file("one.csv", 0) == key_of_file("two.csv", 0) != key_of_file("three.csv", 1)


def test_the_record_has_a_result_for_each_set_with_equal_numbers_of_rows():
    record = run_cell(Cell(dataset=Segment(), recipe=METHODS["knn"]("both", None), seed=0))
    assert [(r.name, r.kind) for r in record.results[:4]] == [
        ("sky", "natural"),
        ("uniform", "non-natural"),
        ("gaussian", "non-natural"),
        ("constant", "non-natural"),
    ]
    assert {r.rows for r in record.results} == {record.rows["test"]}
    assert record.rows["duplicates"] == 194
    assert record.rows["crossing"] == 0
    assert all(r.auroc > 0.9 for r in record.results)  # Higher is more in-distribution, for every set.


def test_a_failure_is_recorded_with_its_reason():
    failing = external_detector("sklearn.mixture.GaussianMixture", {"n_components": 10_000})
    record = run_cell(Cell(dataset=TOY, recipe=failing, seed=0))
    assert record.status == "failed"
    assert "ValueError" in record.reason
    assert record.results == ()
    assert record.key == cell_key(Cell(dataset=TOY, recipe=failing, seed=0))
    labels = run_cell(Cell(dataset=TOY, recipe=tiny(gamma=1.0).overridden(training={"warmup": 0}), seed=0))
    assert labels.status == "done"


def test_data_that_cannot_be_read_raise(tmp_path):
    source = Table(path=str(tmp_path / "none.csv"), label_column="kind", hold_out=("b",))
    with pytest.raises(EbmoodError, match=r"none\.csv"):
        run_cell(Cell(dataset=source, recipe=tiny(), seed=0))


def test_warnings_are_recorded_as_notes():
    recipe = METHODS["ssm"]("paper", None).overridden(training={"steps": 3, "warmup": 0})
    record = run_cell(Cell(dataset=TOY, recipe=recipe, seed=0))
    assert record.degenerate
    assert any("piecewise-linear" in note for note in record.notes)
    assert any("batches have" in note for note in record.notes)


def test_only_the_selection_paper_reads_validation_ood_rows(monkeypatch):
    calls = []
    real = cells._mean_aupr
    monkeypatch.setattr(cells, "_mean_aupr", lambda *args: calls.append(1) or real(*args))
    recipe = tiny().overridden(training={"steps": 60})
    last = run_cell(Cell(dataset=TOY, recipe=recipe, seed=0))
    assert not calls
    leaked = run_cell(Cell(dataset=TOY, recipe=recipe, seed=0, selection="paper"))
    assert calls
    assert (last.selection, leaked.selection) == ("last", "paper")


IMAGE_STUDY = """
title: digits
datasets:
  kind: images
  id: digits.npz
  hold_out: ["8", "9"]
  natural: [elsewhere.npz]
  size: 8
  missing: note
seeds: 1
embedding:
  kind: classifier
  model: {depth: 10, width: 1, stride_first: true}
  training: {epochs: null, steps: 3, warmup: 0, batch_size: 16, drops: null}
recipes:
  - method: cd
    bottleneck: [null, 0.5]
    model: {width: 1, stride_first: true}
    objective: {chain: {steps: 2}, buffer: 64}
    training: {epochs: null, steps: 2, warmup: 0, batch_size: 16}
  - {method: knn, embedding: true}
  - max-softmax
  - {method: realnvp, model: {channels: 4, blocks: 1}, training: {epochs: 2, batch_size: 64}}
"""


@pytest.fixture
def image_folder(tmp_path, monkeypatch):
    digits = load_digits()
    x = np.round(digits.images[:400] * (255 / 16)).astype(np.uint8)
    np.savez(tmp_path / "digits.npz", X=x, y=digits.target[:400])
    (tmp_path / "study.yaml").write_text(IMAGE_STUDY)
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_an_image_study_from_files_to_records(image_folder):
    study = load_study(str(image_folder / "study.yaml"), files=ImageFiles(data=str(image_folder)))
    assert [task.cell.recipe.label for task in study.tasks] == [
        "cd",
        "cd bottleneck=0.5",
        "knn embedding",
        "max-softmax",
        "realnvp",
    ]
    records = [run_cell(task.cell) for task in study.tasks]
    assert [record.reason for record in records] == [None] * 5
    assert [record.bottleneck for record in records] == [None, 0.5, None, None, None]
    assert [record.embedding for record in records] == [None, None, "WRN-10-1", None, None]
    assert [list(record.pictures) for record in records] == [["chains"], ["chains"], [], [], []]
    assert [record.bits_per_dim is None for record in records] == [True] * 4 + [False]
    assert [record.accuracy is None for record in records] == [True, True, True, False, True]
    assert 0 <= records[3].accuracy <= 1
    untrained = 8 + math.log2(2 * math.pi) / 2 + 0.25 / (2 * math.log(2))  # at most: the identity, |z| <= 1/2
    assert 1 < records[4].bits_per_dim < untrained
    kinds = {result.name: result.kind for result in records[0].results}
    assert kinds.pop("8") == kinds.pop("9") == "natural"
    assert {"uniform", "gaussian", "constant"} <= {n for n, kind in kinds.items() if kind == "non-natural"}
    assert {"shuffled-pixels", "edges"} <= {n for n, kind in kinds.items() if kind == "low-level"}
    assert all(list(record.absent) == ["elsewhere"] for record in records)
    assert not any(str(image_folder) in record.model_dump_json() for record in records)


def test_the_location_of_images_does_not_change_the_key(image_folder):
    original = load_study(str(image_folder / "study.yaml"), files=ImageFiles(data=str(image_folder)))
    other = image_folder / "other"
    other.mkdir()
    (image_folder / "digits.npz").rename(other / "digits.npz")
    moved = load_study(str(image_folder / "study.yaml"), files=ImageFiles(data=str(other)))
    assert [task.key for task in original.tasks] == [task.key for task in moved.tasks]


def test_an_embedding_of_a_table_raises(tmp_path):
    (tmp_path / "study.yaml").write_text("datasets: segment\nrecipes: [{method: knn, embedding: true}]\n")
    with pytest.raises(EbmoodError, match=r"recipes\[0\].*this data set is a table"):
        load_study(str(tmp_path / "study.yaml"))


SPLINE = METHODS["spline"]("corrected", None).overridden(
    model={"hidden": (16,), "transforms": 1}, training={"steps": 5, "batch_size": 64}
)
SCORED = SPLINE.updated(scores=(Typicality(), Typicality(rows=5), GradientNorm()))


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path))
    return tmp_path


def test_all_scores_of_a_cell_come_from_one_training(monkeypatch):
    trainings = []
    real = recipe_module.train
    monkeypatch.setattr(recipe_module, "train", lambda *a, **k: trainings.append(1) or real(*a, **k))
    record = run_cell(Cell(dataset=TOY, recipe=SCORED, seed=0))
    assert len(trainings) == 1
    plain = run_cell(Cell(dataset=TOY, recipe=SPLINE, seed=0))
    assert record.results == plain.results
    titles = ["typicality", "typicality of 5 rows", "gradient norm"]
    assert [(each.score, each.status) for each in record.density_scores] == [(t, "done") for t in titles]
    batches = record.density_scores[1].results[0]
    assert batches.rows == record.results[0].rows // 5
    # The score of the record is that of the formula, from the scores of the plain record.
    split = cells.load(TOY) and TOY.split(cells.load(TOY), 0)
    scorer = SPLINE.fit(split, 0).scorer
    mean = scorer.score_samples(split.train_x).mean()
    inside = -abs(scorer.score_samples(split.test_x) - mean)
    for ood, result in zip(split.test_ood, record.density_scores[0].results, strict=True):
        outside = -abs(scorer.score_samples(ood.x) - mean)
        rows = min(len(inside), len(outside))
        assert result.auroc == separation(inside[:rows], outside[:rows]).auroc


def test_scores_are_fitted_before_any_ood_row_is_read(monkeypatch):
    steps = []
    real_fit, real_score = cells.fit_scores, DensityScorer.score_samples
    monkeypatch.setattr(
        cells, "fit_scores", lambda *a: (steps.append("fit"), real_fit(*a), steps.append("fitted"))[1]
    )
    split = TOY.split(cells.load(TOY), 0)
    sets = {ood.x.tobytes() for ood in (*split.test_ood, *split.validation_ood)}

    def score_samples(self, x):
        steps.append("ood" if x.tobytes() in sets else "id")
        return real_score(self, x)

    monkeypatch.setattr(DensityScorer, "score_samples", score_samples)
    run_cell(Cell(dataset=TOY, recipe=SCORED, seed=0))
    assert steps.index("fitted") < steps.index("ood")
    assert steps[: steps.index("fitted")].count("ood") == 0
    assert steps.count("ood") == len(split.test_ood)  # once for all scores


def test_a_score_that_fails_leaves_the_other_results(monkeypatch):
    def broken(self, x, log_density):
        raise ValueError("broken on purpose")

    monkeypatch.setattr("ebmood.density_scores.gradient_norm.GradientNormScore.score", broken)
    record = run_cell(Cell(dataset=TOY, recipe=SCORED.updated(scores=(GradientNorm(), Typicality())), seed=0))
    failed, done = record.density_scores
    assert (record.status, failed.status, done.status) == ("done", "failed", "done")
    assert "ValueError: broken on purpose (broken, test_cell.py:" in failed.reason
    assert failed.results == ()
    assert len(done.results) == len(record.results)


def test_a_failed_cell_names_its_scores_and_members(own_cache):
    nan = SCORED.overridden(objective={"optimiser": {"lr": 1e30}})
    record = run_cell(Cell(dataset=TOY, recipe=nan, seed=0))
    assert record.status == "failed"
    assert [each.score for each in record.density_scores] == [score.title for score in SCORED.scores]
    assert {each.reason for each in record.density_scores} == {record.reason}
    waic = Cell(dataset=TOY, recipe=waic_recipe(nan, WAIC(models=2)), seed=0)
    record = run_cell(waic)
    assert (record.status, record.score, record.members) == ("failed", "WAIC of 2", cells.member_keys(waic))


def test_a_combination_reads_the_weights_that_its_members_stored(own_cache, monkeypatch):
    recipe = waic_recipe(SPLINE, WAIC(models=2))
    members = [Cell(dataset=TOY, recipe=each, seed=0, keep=True) for each in recipe.combination.members]
    first, second = (run_cell(member) for member in members)
    assert first.scores["id"] != second.scores["id"]  # other weights, the same test rows

    def no_training(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr(recipe_module, "train", no_training)
    record = run_cell(Cell(dataset=TOY, recipe=recipe, seed=0))
    assert record.reason is None
    assert record.members == (first.key, second.key)
    a, b = np.array(first.scores["id"]), np.array(second.scores["id"])
    np.testing.assert_allclose(record.scores["id"], (a + b) / 2 - np.square(a - b) / 4, rtol=1e-4, atol=1e-5)
    assert not record.normalised


def test_a_combination_without_stored_weights_trains_and_stores_them(own_cache):
    recipe = likelihood_ratio_recipe(SPLINE, LikelihoodRatio(mutation=0.5))
    cell = Cell(dataset=TOY, recipe=recipe, seed=0)
    record = run_cell(cell)
    assert len(list((own_cache / "models").glob("*.safetensors"))) == 2
    assert not list((own_cache / "models").glob("*/"))  # no checkpoints remain
    assert numbers(run_cell(cell)) == numbers(record)
    model, background = (run_cell(Cell(dataset=TOY, recipe=r, seed=0)) for r in recipe.combination.members)
    assert model.scores["id"] != background.scores["id"]
    difference = np.array(model.scores["id"]) - np.array(background.scores["id"])
    np.testing.assert_allclose(record.scores["id"], difference, rtol=1e-4, atol=1e-5)
