from dataclasses import replace

import numpy as np
import pytest
from helpers.small_recipes import IMAGES, image_split, moons_split, short_image_recipe

from ebmood.recipes import METHODS, trained
from ebmood.recipes import recipe as recipe_module

SPLINE = METHODS["spline"]("corrected", None).overridden(
    model={"hidden": (8,), "transforms": 1}, training={"steps": 3, "batch_size": 64}
)


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path))


@pytest.fixture
def trainings(monkeypatch):
    """Return a list that grows by one with every training."""
    done = []
    real = recipe_module.train
    monkeypatch.setattr(recipe_module, "train", lambda *a, **k: done.append(1) or real(*a, **k))
    return done


@pytest.mark.parametrize("kind", ["table", "images"])
def test_the_second_call_reads_the_same_model(trainings, kind):
    assert "glow" in IMAGES
    split = moons_split() if kind == "table" else image_split()
    recipe = (
        SPLINE
        if kind == "table"
        else short_image_recipe("glow").overridden(training={"steps": 2, "warmup": 0})
    )
    first = trained.trained(recipe, split, 0, "cpu").scorer
    second = trained.trained(recipe, split, 0, "cpu").scorer
    assert len(trainings) == 1
    np.testing.assert_array_equal(first.score_samples(split.test_x), second.score_samples(split.test_x))
    assert (first.trained_on, first.seed, first.noise) == (second.trained_on, second.seed, second.noise)


def test_everything_that_changes_the_weights_trains_another_model(trainings):
    split = moons_split()
    for recipe, rows, seed in [
        (SPLINE, split, 0),
        (SPLINE, split, 1),
        (SPLINE.updated(member=1), split, 0),
        (SPLINE.updated(mutation=0.1), split, 0),
        (SPLINE.overridden(training={"steps": 2}), split, 0),
        (SPLINE, replace(split, train_x=split.train_x[:-1]), 0),
        (SPLINE, replace(split, validation_x=split.validation_x[:-1]), 0),
    ]:
        trained.trained(recipe, rows, seed, "cpu")
    assert len(trainings) == 7
    trained.trained(SPLINE.updated(title="Another name"), replace(split, test_ood=()), 0, "cpu")
    assert len(trainings) == 7


def test_the_stored_model_of_a_cell_is_read(trainings):
    split = moons_split()
    trained.store(SPLINE, split, 0, SPLINE.fit(split, 0))
    trained.trained(SPLINE, split, 0, "cpu")
    assert len(trainings) == 1
