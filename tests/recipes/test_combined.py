from dataclasses import replace

import numpy as np
import pytest
from helpers.small_recipes import moons_split, small_classifier

from ebmood.core.errors import InputError
from ebmood.density_scores import WAIC, LikelihoodRatio
from ebmood.recipes import METHODS, Recipe, likelihood_ratio_recipe, recipe_for, waic_recipe

SPLINE = METHODS["spline"]("corrected", None).overridden(
    model={"hidden": (8,), "transforms": 1}, training={"steps": 3, "batch_size": 64}
)


def test_members_differ_in_their_seeds_only():
    first, *others = waic_recipe(SPLINE, WAIC(models=4)).combination.members
    assert first == SPLINE
    assert [member.member for member in others] == [1, 2, 3]
    names = {"method": "spline", "title": SPLINE.title, "family": "flow", "member": None}
    assert {member.updated(**names) for member in others} == {SPLINE}


def test_the_background_is_the_same_recipe_on_perturbed_rows():
    ratio = likelihood_ratio_recipe(SPLINE, LikelihoodRatio(mutation=0.1))
    model, background = ratio.combination.members
    assert (model, background.mutation) == (SPLINE, 0.1)
    assert background.updated(method="spline", title=SPLINE.title, family="flow", mutation=None) == SPLINE


def test_a_combination_can_be_read_from_its_json():
    for recipe in (waic_recipe(SPLINE, WAIC()), likelihood_ratio_recipe(SPLINE, LikelihoodRatio())):
        assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize("method", ["ssm", "nce", "knn"])
def test_methods_without_a_normalised_density_are_refused(method):
    recipe = METHODS[method]("corrected", None)
    with pytest.raises(InputError, match=method):
        waic_recipe(recipe, WAIC())
    with pytest.raises(InputError, match=method):
        likelihood_ratio_recipe(SPLINE, LikelihoodRatio(), recipe)


def test_a_background_of_other_inputs_is_refused():
    embedded = recipe_for("spline", "corrected", None, (1, 8, 8), embedding=small_classifier())
    with pytest.raises(InputError, match="learns from other inputs than 'spline'"):
        likelihood_ratio_recipe(embedded, LikelihoodRatio(), SPLINE)


class StopTrainingError(Exception):
    """Ends a training that would start."""


def test_a_background_learns_from_perturbed_rows_and_remembers_the_original_ones(monkeypatch):
    split, seen = moons_split(), {}

    def train(objective, x, *args, **kwargs):
        seen.update(x=x.numpy())
        raise StopTrainingError

    monkeypatch.setattr("ebmood.recipes.recipe.train", train)
    background = SPLINE.updated(mutation=0.5)
    with pytest.raises(StopTrainingError):
        background.fit(split, 0)
    assert (seen["x"] == split.train_x).mean() == pytest.approx(0.5, abs=0.05)
    other = replace(split, train_x=split.train_x[:-1])
    digests = [
        recipe.untrained(rows, 0).trained_on for recipe, rows in ((background, split), (SPLINE, other))
    ]
    assert digests[0] == SPLINE.untrained(split, 0).trained_on
    assert digests[0] != digests[1]


def test_a_member_starts_with_other_weights_than_the_model():
    split = moons_split()
    rows = np.asarray(split.test_x)
    scores = [SPLINE.updated(member=k).untrained(split, 0).score_samples(rows) for k in (None, 1, 2)]
    assert not np.allclose(scores[0], scores[1])
    assert not np.allclose(scores[1], scores[2])
