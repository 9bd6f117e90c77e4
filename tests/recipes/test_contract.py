"""The contract of recipes: they train, their scores are finite, and they learn the data or are marked degenerate."""

import time

import numpy as np
import pytest
from helpers.small_recipes import (
    ENERGIES,
    FLOWS,
    image_split,
    moons_split,
    noise_images,
    short_image_recipe,
    shorten,
    table_recipes,
    uniform_noise,
)

from ebmood.core.errors import DegenerateObjectiveWarning
from ebmood.core.metrics import separation
from ebmood.recipes import METHODS


@pytest.fixture(scope="module")
def split():
    return moons_split()


def test_the_label_of_every_recipe_is_unique():
    labels = [recipe.label for recipe in table_recipes()]
    assert len(labels) == len(set(labels))
    assert {recipe.method for recipe in table_recipes()} == set(METHODS)
    assert [label for label in labels if label.split()[0] == "cd"] == [
        "cd",
        "cd paper gamma=1",
        "cd corrected gamma=1",
        "cd modern",
        "cd modern gamma=1",
    ]


@pytest.mark.parametrize("recipe", [r for r in table_recipes() if not r.degenerate], ids=lambda r: r.label)
def test_a_recipe_learns_two_moons(recipe, split):
    reports = []
    fitted = shorten(recipe).fit(split, seed=0, report=reports.append)
    id_scores = fitted.scorer.score_samples(split.test_x)
    ood_scores = fitted.scorer.score_samples(uniform_noise())
    assert id_scores.dtype == np.float64
    assert id_scores.shape == (len(split.test_x),)
    assert np.isfinite(id_scores).all()
    assert np.isfinite(ood_scores).all()
    assert separation(id_scores, ood_scores).auroc > 0.9
    assert (recipe.training is None) == (not reports) == (not fitted.history)


@pytest.mark.parametrize("recipe", [r for r in table_recipes() if r.degenerate], ids=lambda r: r.label)
def test_a_degenerate_recipe_warns_and_learns_no_density(recipe, split):
    """The curvature at the peaks of a density is negative. Here it is not, and the score converges to zero."""
    with pytest.warns(DegenerateObjectiveWarning, match="piecewise-linear"):
        fitted = shorten(recipe).fit(split, seed=0)
    curvature = np.array(fitted.history["energy/curvature"])
    assert (curvature >= 0).all()
    if recipe.gamma is None:
        with pytest.warns(DegenerateObjectiveWarning):
            untrained = shorten(recipe).overridden(training={"steps": 1, "warmup": 0}).fit(split, seed=0)
        spread, initial = (one.scorer.score_samples(split.train_x).std() for one in (fitted, untrained))
        assert spread < 0.1 * initial
        assert fitted.history["energy/loss"][-1] < 1e-3
    else:
        # Only the cross-entropy prevents convergence to a constant.
        history = fitted.history
        score_matching = np.array(history["energy/loss"]) - np.array(history["energy/cross_entropy"])
        assert (score_matching >= -1e-6).all()


@pytest.mark.slow
@pytest.mark.parametrize(("method", "gamma", "bottleneck"), ENERGIES + FLOWS)
def test_an_image_recipe_separates_training_images_from_noise(method, gamma, bottleneck):
    split = image_split()
    start = time.process_time()
    fitted = short_image_recipe(method, gamma, bottleneck=bottleneck).fit(split, seed=0)
    assert time.process_time() - start < 60  # CPU time, which does not depend on other processes
    id_scores = fitted.scorer.score_samples(split.train_x)
    assert separation(id_scores, fitted.scorer.score_samples(noise_images())).auroc > 0.95
