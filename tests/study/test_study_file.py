import numpy as np
import pytest
import yaml
from helpers.study_files import study_error, write_study

from ebmood.core.errors import DegenerateObjectiveWarning, EbmoodError
from ebmood.core.settings import digest
from ebmood.recipes import METHODS
from ebmood.study.study_file import load_study, preset_title, presets

MODERN = {
    "cd modern": "926f4dc8627489d0",
    "vera modern": "620f58779a34c422",
    "dsm modern": "9c9ea92fabac1927",
    "nce modern": "dc2341de9c040204",
    "conditional-nce modern": "21aa974336d7892a",
    "energy-discrepancy modern": "27efe8d457608838",
    "residual-cd modern": "166ef38a8f9547c4",
}
"""Digests of the settings of the modern recipes that are not None, by label."""

MOONS = "datasets: {kind: toy, shape: moons, rows: 100}\n"


def test_lists_make_a_grid_and_equal_recipes_run_once(tmp_path):
    text = (
        MOONS
        + "seeds: 3\nrecipes:\n  - {method: cd, variant: [paper, corrected], gamma: [null, 1]}\n  - cd\n  - knn\n"
    )
    study = load_study(write_study(tmp_path, text))
    # CD without labels is the same recipe in both variants and in the entry `- cd`.
    labels = ["cd", "cd paper gamma=1", "cd corrected gamma=1", "knn"]
    assert [task.cell.recipe.label for task in study.tasks] == labels * 3
    assert [task.cell.seed for task in study.tasks] == [0] * 4 + [1] * 4 + [2] * 4
    assert len({task.key for task in study.tasks}) == 12


def test_entries_may_have_their_own_seeds_and_data_sets(tmp_path):
    text = """
        datasets: [{kind: toy, shape: moons, rows: 100}, {kind: toy, shape: rings, rows: 100}]
        seeds: [3, 4]
        recipes:
          - {method: knn, datasets: rings}
          - {method: iforest, seeds: [7]}
    """
    study = load_study(write_study(tmp_path, text))
    assert [task.name for task in study.tasks] == [
        "moons, iforest, seed 7",
        "rings, knn, seed 3",
        "rings, knn, seed 4",
        "rings, iforest, seed 7",
    ]


def test_overrides_reach_the_recipe_and_mark_it_shortened(tmp_path):
    text = (
        MOONS
        + "seeds: 1\nrecipes: [{method: vera, training: {steps: 20}, objective: {gradient_penalty: 1e-3}}]\n"
    )
    (task,) = load_study(write_study(tmp_path, text)).tasks
    assert task.cell.recipe.training.steps == 20
    assert task.cell.recipe.objective.gradient_penalty == 0.001
    assert task.cell.recipe.shortened


def test_a_detector_by_import_path_gets_its_parameters_as_numbers(tmp_path):
    text = (
        MOONS
        + "seeds: 1\nrecipes: [{detector: sklearn.svm.OneClassSVM, parameters: {nu: 1e-1, tol: 1.e-4}}]\n"
    )
    (task,) = load_study(write_study(tmp_path, text)).tasks
    assert task.cell.recipe.model.parameters == {"nu": 0.1, "tol": 0.0001}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "datasets: segment\nrecipies: [knn]",
            ", line 2, recipies: unknown key 'recipies'; did you mean 'recipes'?",
        ),
        ("datasets: segment", ", line 1: the key 'recipes' is missing"),
        ("datasets: segmnt\nrecipes: [knn]", "unknown data set 'segmnt'; did you mean 'segment'?"),
        (
            "recipes: [knn]\ndatasets:\n  - {kind: toy, shap: moons}",
            ", line 3, datasets[0].shap: unknown key 'shap'; did you mean 'shape'?",
        ),
        (
            MOONS + "recipes:\n  - knn\n  - iforrest",
            "line 4, recipes[1].method: unknown method 'iforrest'; did you mean",
        ),
        (
            MOONS + "recipes:\n  - {method: ssm, gama: 1}",
            "recipes[0].gama: unknown key 'gama'; did you mean 'gamma'?",
        ),
        (
            MOONS + "recipes:\n  - method: ssm\n    training:\n      stepz: 3",
            ", line 5, recipes[0].training.stepz: unknown key 'stepz'; did you mean 'steps'?",
        ),
        ("datasets: []\nrecipes: [knn]", ", line 1, datasets: the list is empty; give at least one value"),
        (
            MOONS + "recipes: [{method: knn, variant: []}]",
            "recipes[0].variant: the list is empty; give at least one value",
        ),
        (
            MOONS + "recipes: [{method: ssm, training: {fast: maybe}}]",
            "recipes[0].training.fast: 'maybe' should be true or false",
        ),
        (
            MOONS + "recipes: [{method: ssm, training: {compiled: true}}]",
            "recipes[0].training.compiled: unknown key 'compiled'; since version 0.2 the key is `fast` of `training`",
        ),
        (
            MOONS + "recipes: [{method: cd, objective: {chain: {step: 3}}}]",
            "recipes[0].objective.chain.step: unknown key 'step'; did you mean 'steps'?",
        ),
        (
            MOONS + "recipes: [{method: ssm, training: {steps: many}}]",
            "recipes[0].training.steps: 'many' should be",
        ),
        (
            MOONS + "recipes: [{method: knn, training: {steps: 3}}]",
            "the method 'knn' has no training settings",
        ),
        (MOONS + "recipes: [{method: knn, gamma: 1}]", "recipes[0]: method 'knn' takes no labels"),
        (MOONS + "recipes: [{method: ssm, gamma: -1}]", "recipes[0].gamma[0]: -1 must be above 0, or null"),
        (MOONS + "recipes: [{method: ssm, gamma: None}]", "gamma[0]: 'None' is text; write null"),
        (MOONS + "recipes: [{method: ssm, gamma: [1, none]}]", "gamma[1]: 'none' is text; write null"),
        (MOONS + "recipes: [{method: ssm, gamma: some}]", "gamma[0]: 'some' should be a number"),
        (
            MOONS + "recipes: [{method: ssm, model: {hidden: 100}}]",
            "model.hidden: 100 must be a list, such as [100]",
        ),
        (
            MOONS + "recipes: [{method: ssm, model: {kind: energy-residual}}]",
            "model.kind: 'energy-residual': the method 'ssm' has the kind 'energy-mlp'; remove the key, or choose "
            "another method",
        ),
        (
            "recipes: [knn]\ndatasets: {kind: table, path: t.csv, hold_out: c}",
            "hold_out: 'c' must be a list, such as [c]",
        ),
        (
            "recipes: [knn]\ndatasets: [{kind: [segment]}]",
            "datasets[0]: a data set is a kind, or keys with a `kind`",
        ),
        (
            "recipes: [knn]\ndatasets:\n  - mine.csv",
            "line 3, datasets[0]: 'mine.csv' is not a kind; write {kind: table, path: mine.csv}",
        ),
        (
            "recipes: [knn]\ndatasets:\n  - {kind: table, path: missing.csv}",
            ", line 3, datasets[0]: ",
        ),
        (
            MOONS + 'recipes: [knn]\nseeds: "5"',
            "line 3, seeds: '5' is not a number of seeds; write a number without",
        ),
        (
            MOONS + "recipes: [{method: knn, seeds: five}]",
            "recipes[0].seeds: 'five' is not a number of seeds",
        ),
        (
            MOONS + "recipes: [{method: ssm, variant: papr}]",
            "recipes[0].variant[0]: 'papr' should be 'paper', 'corrected' or 'modern'",
        ),
        (
            MOONS + "recipes: [{method: knn, datasets: [mons]}]",
            "'mons' is not a data set of this study; did you mean",
        ),
        (MOONS + "recipes: [knn]\nseeds: 0", "line 3, seeds: 0 is not a number of seeds"),
        (MOONS + "recipes: [knn]\nseeds: [-1]", "line 3, seeds[0]: -1 should be greater than or equal to 0"),
        (MOONS + "recipes: [knn]\nrecipes: [iforest]", ", line 3: duplicate key 'recipes'"),
        (MOONS + "recipes: [knn", ", line 2: not YAML"),
        ("", ": the file is empty"),
        ("just words", ", line 1: expected keys and values"),
        (
            "word " * 100,
            ", line 1: expected keys and values, not 'word word word word word word word word word word word w...;",
        ),
        (MOONS + "recipes: [7]", "line 2, recipes[0]: expected keys and values, not 7"),
    ],
)
def test_error_messages_name_file_line_key_and_a_suggestion(tmp_path, text, expected):
    assert expected in study_error(tmp_path, text)


@pytest.mark.parametrize("word", ["missing.yaml", "below/missing.yml"])
def test_a_missing_study_file_is_no_misspelt_preset(tmp_path, monkeypatch, word):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        EbmoodError, match=f"^{word}: no such file; correct the path, or name a preset: .*fmnist"
    ):
        load_study(word)
    with pytest.raises(EbmoodError, match=r"^segmnt: neither a preset nor a file; did you mean 'segment'\?$"):
        load_study("segmnt")


def test_a_table_is_no_study_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text("p,q,r\n" + "1,2,3\n" * 99)
    with pytest.raises(EbmoodError) as caught:
        load_study("mine.csv")
    assert str(caught.value) == (
        "mine.csv: is a table, not a study file; name it under `datasets` of a study file, as {kind: table, path: "
        "mine.csv}"
    )


def test_supervision_needs_two_classes(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "one.npz", X=rng.normal(size=(60, 2)), y=np.array(["a"] * 40 + ["b"] * 20))
    data = "datasets: {kind: table, path: one.npz, label_column: y, hold_out: [b]}\n"
    message = study_error(tmp_path, data + "recipes: [{method: ssm, gamma: 1}]")
    assert "line 2, recipes[0].gamma: supervision needs two classes or more" in message
    assert "the data set 'one' has one class only" in message
    unlabelled = "datasets: {kind: table, path: one.npz}\nrecipes: [{method: ssm, gamma: 1}]"
    assert "the data set 'one' has no labels" in study_error(tmp_path, unlabelled)


def test_paths_are_relative_to_the_file_and_do_not_change_keys(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    (tmp_path / "below").mkdir()
    np.savez(tmp_path / "below" / "rows.npz", X=rng.normal(size=(60, 2)))
    file = write_study(tmp_path / "below", "datasets: {kind: table, path: rows.npz}\nrecipes: [knn]\n")
    from_elsewhere = load_study(file)
    monkeypatch.chdir(tmp_path / "below")
    from_beside = load_study("mine.yaml")
    assert [task.key for task in from_elsewhere.tasks] == [task.key for task in from_beside.tasks]
    np.savez(tmp_path / "below" / "other.npz", X=rng.normal(size=(60, 2)))
    other = load_study(
        write_study(tmp_path / "below", "datasets: {kind: table, path: other.npz}\nrecipes: [knn]\n")
    )
    assert {task.key for task in other.tasks}.isdisjoint(task.key for task in from_beside.tasks)


def test_the_device_does_not_change_keys(tmp_path):
    file = write_study(tmp_path, MOONS + "recipes: [knn, spline]\n")
    assert [t.key for t in load_study(file, "cpu").tasks] == [t.key for t in load_study(file, "auto").tasks]


def test_an_unknown_name_raises_with_a_suggestion():
    with pytest.raises(EbmoodError, match=r"qick: neither a preset nor a file; did you mean 'quick'\?"):
        load_study("qick")


@pytest.mark.parametrize("name", ["quick", "segment", "sensorless", "sensorless-small", "gamma", "toys"])
def test_presets_are_valid(tmp_path, name):
    content = yaml.safe_load(presets()[name].read_text())
    assert preset_title(presets()[name]) == content["title"]
    content["datasets"] = [{"kind": "toy", "shape": "moons", "rows": 100}]
    with pytest.warns(DegenerateObjectiveWarning, match="ssm paper"):
        study = load_study(write_study(tmp_path, yaml.safe_dump(content)))
    recipes = [task.cell.recipe for task in study.tasks]
    assert {task.cell.selection for task in study.tasks} == {"last"}
    if name == "quick":
        assert {recipe.method for recipe in recipes} == set(METHODS)
    if name in ("segment", "sensorless", "sensorless-small"):
        assert not any(recipe.shortened for recipe in recipes)
        seeds = {method: set() for method in METHODS}
        for task in study.tasks:
            seeds[task.cell.recipe.method].add(task.cell.seed)
        few = {"cd": 5 if name == "sensorless" else 3, "vera": 5}
        assert {method: found for method, found in seeds.items() if found} == {
            method: set(range(few.get(method, 10)))
            for method in ("cd", "vera", "ssm", "spline", "radial", "gmm", "knn", "iforest")
        }
    if name == "gamma":
        assert {recipe.gamma for recipe in recipes} == {None, 0.01, 0.1, 1, 10, 100}


def test_the_modern_preset(tmp_path, monkeypatch):
    """Its settings are those of the records in docs/results/modern. A change of a setting changes the digests."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(1, 12), 10)
    np.savez(tmp_path / "sensorless-2200.npz", X=rng.normal(size=(110, 48)), y=y)
    monkeypatch.setenv(
        "EBMOOD_DATA", str(tmp_path)
    )  # relative paths of presets are relative to the data folder
    study = load_study("modern")
    assert len(study.tasks) == 2 * 10 * 13
    assert study.seeds == {"segment": tuple(range(10)), "sensorless": tuple(range(10))}
    recipes = {task.cell.recipe.label: task.cell.recipe for task in study.tasks}
    digests = {
        label: digest(recipe.model_dump(mode="json", exclude_none=True))
        for label, recipe in recipes.items()
        if recipe.variant == "modern"
    }
    assert digests == MODERN
    assert not any(recipe.shortened or recipe.degenerate for recipe in recipes.values())
    assert {task.cell.selection for task in study.tasks} == {"last"}
    assert set(recipes) - set(MODERN) == {"base", "memory", "spline", "radial", "gmm", "knn"}


def test_the_segment_preset_has_ten_seeds_of_all_recipes_that_train_in_minutes():
    with pytest.warns(DegenerateObjectiveWarning):
        study = load_study("segment")
    by_method = {}
    for task in study.tasks:
        by_method.setdefault((task.cell.recipe.method, task.cell.recipe.gamma), []).append(task.cell.seed)
    # Without labels, both variants of CD are one recipe.
    assert sorted(by_method["cd", None]) == [0, 1, 2]
    assert sorted(by_method["cd", 1]) == [0, 0, 1, 1, 2, 2]
    assert sorted(set(by_method["vera", None])) == sorted(set(by_method["vera", 1])) == [0, 1, 2, 3, 4]
    assert len(by_method["ssm", None]) == len(by_method["ssm", 1]) == 20  # two variants
    for method in ("radial", "spline", "gmm", "knn", "iforest"):
        assert by_method[method, None] == list(range(10))


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.DegenerateObjectiveWarning")
@pytest.mark.parametrize("name", ["quick", "segment", "gamma", "toys"])
def test_the_warmup_of_a_preset_ends_before_its_training_but_for_cd_in_gamma(name):
    """Segment, the smallest data set of these presets, has 1,500 training rows. More rows only add steps."""
    recipes = [task.cell.recipe for task in load_study(name).tasks]
    warned = {one.method for one in recipes if one.training and one.training.unfinished_warmup(rows=1_500)}
    assert warned == (
        {"cd"} if name == "gamma" else set()
    )  # 2,000 steps with a warm-up of 2,500, as in its records


def test_recipes_with_one_label_have_names_with_the_settings_that_differ(tmp_path):
    short = "training: {steps: 5}"
    text = f"seeds: 1\nrecipes: [{{method: dsm, objective: {{sigma: 0.05}}, {short}}}, "
    text += f"{{method: dsm, objective: {{sigma: 0.3}}, {short}}}, knn]\n"
    names = [task.name for task in load_study(write_study(tmp_path, MOONS + text)).tasks]
    assert names == ["moons, dsm sigma=0.05, seed 0", "moons, dsm sigma=0.3, seed 0", "moons, knn, seed 0"]
