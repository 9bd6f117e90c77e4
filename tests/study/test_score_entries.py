"""Scores in study files."""

import pytest
from helpers.images import idx_bytes, pixels, write, write_mnist_like
from helpers.study_files import study_error, write_study

from ebmood.density_scores import GradientNorm, InputComplexity, Typicality
from ebmood.study.cell import cell_key, member_keys
from ebmood.study.schema import ImageFiles
from ebmood.study.study_file import load_study

TOY = "datasets: {kind: toy, shape: moons, rows: 100}\nseeds: 2\nrecipes:\n"


def study(tmp_path, text):
    return load_study(write_study(tmp_path, text))


def test_a_list_of_scores_is_a_setting_of_one_cell(tmp_path):
    text = TOY + "  - {method: spline, score: [log-density, typicality, {kind: typicality, rows: 5}]}\n"
    tasks = study(tmp_path, text).tasks
    assert [task.cell.recipe.scores for task in tasks] == [(Typicality(), Typicality(rows=5))] * 2
    assert not any(task.cell.keep for task in tasks)


def test_the_log_density_is_the_default_and_leaves_keys_as_they_are(tmp_path):
    plain = study(tmp_path, TOY + "  - spline\n").tasks
    named = study(tmp_path, TOY + "  - {method: spline, score: log-density}\n").tasks
    other = study(tmp_path, TOY + "  - {method: spline, score: gradient-norm}\n").tasks
    assert [task.key for task in named] == [task.key for task in plain]
    assert {task.key for task in other}.isdisjoint(task.key for task in plain)
    assert other[0].cell.recipe.scores == (GradientNorm(),)


def test_scores_of_several_models_are_cells_that_name_their_members(tmp_path):
    text = TOY + "  - {method: spline, score: [typicality, waic, {kind: likelihood-ratio, mutation: 0.3}]}\n"
    tasks = [task for task in study(tmp_path, text).tasks if task.cell.seed == 1]
    by_label = {task.cell.recipe.label: task for task in tasks}
    # Members run before the cells that combine them.
    assert list(by_label) == [
        *("spline", "spline-member-1", "spline-member-2", "spline-background"),
        *("spline-waic-3", "spline-ratio"),
    ]
    keys = {label: task.key for label, task in by_label.items()}
    waic, ratio = by_label["spline-waic-3"].cell, by_label["spline-ratio"].cell
    assert member_keys(waic) == tuple(keys[n] for n in ("spline", "spline-member-1", "spline-member-2"))
    assert member_keys(ratio) == (keys["spline"], keys["spline-background"])
    assert by_label["spline-background"].cell.recipe.mutation == 0.3
    assert {label: task.cell.keep for label, task in by_label.items()} == {
        label: label not in ("spline-waic-3", "spline-ratio") for label in by_label
    }


def test_titles_do_not_change_the_key_of_a_combination(tmp_path):
    task = study(tmp_path, TOY + "  - {method: spline, score: waic}\n").tasks[3]
    combination = task.cell.recipe.combination
    renamed = combination.updated(models=tuple(m.updated(title="Else") for m in combination.models))
    changed = task.cell.updated(recipe=task.cell.recipe.updated(model=renamed))
    assert cell_key(changed) == task.key
    longer = combination.models[1].overridden(training={"steps": 7})
    changed = combination.updated(models=(combination.models[0], longer, combination.models[2]))
    assert cell_key(task.cell.updated(recipe=task.cell.recipe.updated(model=changed))) != task.key


def test_a_background_may_be_another_method(tmp_path):
    entry = "{kind: likelihood-ratio, background: {method: radial, training: {steps: 30}}}"
    tasks = study(tmp_path, TOY + f"  - {{method: spline, seeds: 1, score: {entry}}}\n").tasks
    assert [task.cell.recipe.label for task in tasks] == [
        "spline",
        "radial-background",
        "spline-ratio-to-radial",
    ]
    assert tasks[1].cell.recipe.training.steps == 30
    assert tasks[2].cell.recipe.shortened


TWO = "datasets: [{kind: toy, shape: moons, rows: 100}, {kind: toy, shape: rings, rows: 100}]\nseeds: 1\nrecipes:\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            TOY + "  - {method: ssm, score: input-complexity}",
            "line 4, recipes[0].score[0]: score 'input-complexity' needs a normalised log-density in nats, but the "
            "scale and the constant of 'ssm' are unknown; use a flow, or remove this score",
        ),
        (
            TOY + "  - {method: dsm, score: [typicality, waic]}",
            "recipes[0].score[1]: score 'waic' needs a norm",
        ),
        (TOY + "  - {method: cd, score: likelihood-ratio}", "score 'likelihood-ratio' needs a normalised"),
        (
            TOY + "  - {method: spline, score: input-complexity}",
            "'spline' learns from rows of a table or from",
        ),
        (
            TOY + "  - {method: ssm, score: class-probability}",
            "'ssm' is trained without labels; give it a gamma",
        ),
        (TOY + "  - {method: knn, score: typicality}", "method 'knn' is not a trained density model"),
        (
            TOY + "  - {method: spline, score: typicalty}",
            "unknown score 'typicalty'; did you mean 'typicality'?",
        ),
        (
            TOY + "  - {method: spline, score: {kind: typicality, row: 3}}",
            "recipes[0].score[0].row: unknown key 'row'",
        ),
        (TOY + "  - {method: spline, score: [waic, waic]}", "score[1]: the score 'waic' is listed twice"),
        (TOY + "  - {method: spline, score: [3]}", "score[0]: a score is a name, or keys with a `kind`"),
        (TOY + "  - {method: spline, score: []}", "score: the list is empty"),
        (TOY + "  - {method: spline, score: {kind: waic, models: 1}}", "score[0].models: 1 should be"),
        (
            "selection: paper\n" + TOY + "  - {method: spline, score: waic}",
            "score 'waic' is not available with `selection: paper`",
        ),
        (
            TWO + "  - {method: spline, score: {kind: likelihood-ratio, "
            "background: {method: spline, datasets: rings}}}",
            "recipes[0].score[0].background.datasets: the background model is trained on other data, not on 'moons'",
        ),
        (
            TWO + "  - {method: spline, score: {kind: likelihood-ratio, background: ssm}}",
            "the scale and the constant of 'ssm' are unknown",
        ),
        (
            TWO
            + "  - {method: spline, score: {kind: likelihood-ratio, background: {method: radial, seeds: [7]}}}",
            "the background model needs the seeds of its model",
        ),
        (
            TWO + "  - {method: spline, score: {kind: likelihood-ratio, background: splin}}",
            "background.method: unknown method 'splin'",
        ),
    ],
)
def test_errors_name_line_and_score(tmp_path, text, expected):
    assert expected in study_error(tmp_path, text)


def test_the_preset_of_scores_has_the_data_the_flow_and_the_energy_of_the_small_study(tmp_path, monkeypatch):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path / "cache"))
    write_mnist_like(tmp_path, "FashionMNIST", suffix=".gz")
    write(tmp_path / "notmnist-test-images-idx3-ubyte.gz", idx_bytes(pixels(20, 28, 28)))
    files = ImageFiles(data=str(tmp_path))
    scores, small = load_study("fmnist-scores", files=files), load_study("fmnist-small", files=files)
    assert {t.cell.dataset for t in scores.tasks} == {t.cell.dataset for t in small.tasks}
    original = {t.cell.recipe.label: t.cell.recipe for t in small.tasks}
    made = {t.cell.recipe.label: t.cell.recipe for t in scores.tasks}
    energy, flow = "ssm corrected gamma=1", "glow"
    assert list(made) == [
        *("glow", "glow-background", "glow-member-1", "glow-member-2", energy, "glow-ratio", "glow-waic-3")
    ]
    for label in (energy, flow):
        assert made[label].updated(scores=None) == original[label]
    assert made["glow-background"].mutation == 0.2
    assert made["glow-waic-3"].combination.of.models == 3
    assert [score.title for score in made[energy].scores] == [
        *("typicality", "typicality of 10 rows", "gradient norm", "max p(y|x)")
    ]
    assert made[flow].scores == (
        *(Typicality(), Typicality(rows=10)),
        *(InputComplexity(codes=("png",)), InputComplexity(codes=("deflate",)), GradientNorm()),
    )
    assert {t.cell.seed for t in scores.tasks} == {0, 1, 2}
    assert {t.cell.selection for t in scores.tasks} == {"last"}
