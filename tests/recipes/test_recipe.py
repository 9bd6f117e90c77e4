from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from helpers.small_recipes import moons_split, shorten

from ebmood.core.errors import DataWarning, EbmoodError, InputError
from ebmood.recipes import IMAGE_METHODS, METHODS, Classifier, Recipe
from ebmood.recipes.images import ImageOptions
from ebmood.samplers import MALA, SGLD
from ebmood.training import Checkpoints


@pytest.fixture(scope="module")
def split():
    return moons_split()


def test_overridden_merges_settings_and_marks_shorter_training():
    recipe = METHODS["cd"]("paper", 1.0)
    changed = recipe.overridden(objective={"chain": {"noise": 0.1}}, training={"steps": 100})
    assert changed.objective.chain.steps == 20
    assert changed.objective.chain.noise == 0.1
    assert changed.shortened
    assert not recipe.overridden(training={"steps": 20_000}).shortened


def test_recipes_are_restored_from_json():
    tables = [make("corrected", None) for make in METHODS.values()]
    images = [
        make("corrected", None, ImageOptions(64, None, Classifier())) for make in IMAGE_METHODS.values()
    ]
    for recipe in (*tables, *images):
        assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe, recipe.label


def test_a_recipe_of_an_unknown_kind_is_refused():
    document = METHODS["cd"]("corrected", None).model_dump(mode="json")
    document["objective"]["kind"] = "cdd"
    with pytest.raises(ValueError, match="unknown kind 'cdd'; known: cd, "):
        Recipe.model_validate(document)


def test_overridden_rejects_unknown_settings():
    with pytest.raises(ValueError, match="stepz"):
        METHODS["cd"]("paper", 1.0).overridden(training={"stepz": 1})
    with pytest.raises(EbmoodError, match="has no objective"):
        METHODS["knn"]("both", None).overridden(objective={"steps": 1})


def test_overridden_replaces_settings_of_another_kind():
    recipe = METHODS["cd"]("corrected", None)
    assert recipe.overridden(objective={"chain": {"steps": 3}}).objective.chain == SGLD(steps=3)
    changed = recipe.overridden(objective={"chain": {"kind": "mala", "steps": 3}})
    assert changed.objective.chain == MALA(steps=3)
    assert changed.overridden(objective={"chain": {"steps": 4}}).objective.chain == MALA(steps=4)


def test_supervision_needs_two_classes(split):
    one_class = replace(split, train_y=np.zeros_like(split.train_y), classes=1)
    with pytest.raises(EbmoodError, match=r"moons.*needs labels of two classes.*one class"):
        METHODS["cd"]("corrected", 1.0).fit(one_class, seed=0)


def test_select_by_returns_the_state_with_the_highest_value(split):
    """The value is minus the distance to the first mean score, so an early state is the best."""
    means = []

    def value(scorer):
        means.append(float(scorer.score_samples(split.validation_x).mean()))
        return -abs(means[-1] - means[0])

    recipe = shorten(METHODS["ssm"]("corrected", None))
    selected = recipe.fit(split, seed=0, select_by=value).scorer.score_samples(split.validation_x).mean()
    assert len(means) > 1
    assert selected == pytest.approx(means[0])
    assert means[-1] != pytest.approx(means[0])


@pytest.mark.parametrize("change", ["validation rows", "validation OOD sets", "function"])
def test_checkpoints_selected_by_other_data_or_functions_are_skipped(change, split, tmp_path, caplog):
    def highest(scorer):
        return float(scorer.score_samples(split.validation_x).mean())

    def lowest(scorer):
        return -highest(scorer)

    early_stopping = {"validate_every": 1} if change == "validation rows" else {}
    recipe = METHODS["radial"]("corrected", None).overridden(
        training={"steps": 40, "batch_size": 600, "warmup": 0, "validate_every": None, "patience": None}
        | early_stopping
    )
    select_by = None if early_stopping else partial(highest)

    def fit(split, select_by, checkpoints):
        fitted = recipe.fit(split, seed=0, select_by=select_by, checkpoints=checkpoints)
        return fitted.scorer.score_samples(split.test_x)

    def checkpoints():
        return Checkpoints(tmp_path, steps=7)

    expected = fit(split, select_by, checkpoints())
    caplog.clear()
    np.testing.assert_array_equal(fit(split, select_by, checkpoints()), expected)
    assert not caplog.text, "the same run resumes"
    if change == "validation rows":
        split = replace(split, validation_x=split.validation_x[:5])
    elif change == "validation OOD sets":
        first, *others = split.validation_ood
        split = replace(split, validation_ood=(replace(first, x=first.x[:5]), *others))
    else:
        select_by = lowest
    resumed = fit(split, select_by, checkpoints())
    assert "belongs to a run with other settings or data" in caplog.text
    np.testing.assert_array_equal(resumed, fit(split, select_by, None))


def test_a_warmup_longer_than_the_training_warns():
    recipe = METHODS["dsm"]("corrected", None).overridden(training={"steps": 5, "batch_size": 64})
    with pytest.warns(
        DataWarning, match=r"^dsm: the warm-up has 2500 steps, but the training has 5: .*set `warmup`"
    ):
        recipe.fit(moons_split(), seed=0)


def test_an_average_over_more_steps_than_the_training_has_warns():
    training = {"steps": 5, "batch_size": 64, "warmup": 0, "average": 50}
    with pytest.warns(
        DataWarning, match=r"^dsm: parameters are averaged over 50 steps, .* 5: .*set `average`"
    ):
        METHODS["dsm"]("corrected", None).overridden(training=training).fit(moons_split(), seed=0)


@pytest.mark.parametrize(
    ("method", "has_loss"), [("ssm", False), ("cd", False), ("vera", False), ("dsm", True)]
)
def test_validation_needs_a_loss_that_can_be_compared_between_steps(method, has_loss, split):
    training = {"steps": 8, "batch_size": 64, "warmup": 0, "validate_every": 1}
    recipe = shorten(METHODS[method]("corrected", None)).overridden(training=training)
    if has_loss:
        recipe.fit(split, seed=0)
    else:
        with pytest.raises(InputError, match=rf"^{method}.*remove validate_every"):
            recipe.fit(split, seed=0)
