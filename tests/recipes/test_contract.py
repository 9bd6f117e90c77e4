"""One contract for every recipe: it trains, its scores are finite, and it learns two moons (or is marked)."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from ebmood.core.errors import DegenerateObjectiveWarning, EbmoodError
from ebmood.core.metrics import separation
from ebmood.data import Toy, split_dataset
from ebmood.recipes import METHODS, Recipe, external_detector
from ebmood.samplers import MALA, SGLD
from ebmood.training import Checkpoints

MODEL = {"hidden": (64, 64)}
FAST = {"lr": 2e-3, "betas": (0.0, 0.9)}
SHORT = {
    "ssm": {"model": MODEL, "training": {"steps": 300, "warmup": 30, "batch_size": 128}},
    "cd": {
        "model": MODEL,
        "objective": {"chain": {"steps": 15}, "buffer": 1000, "optimiser": FAST},
        "training": {"steps": 100, "warmup": 10, "batch_size": 128},
    },
    "vera": {
        "model": MODEL,
        "objective": {"hidden": (64, 64), "energy": FAST, "generator": FAST, "posterior_samples": 5},
        "training": {"steps": 400, "warmup": 30, "batch_size": 64},
    },
    "radial": {"training": {"steps": 200}},
    "spline": {"model": {"hidden": (32,), "transforms": 2}, "training": {"steps": 60}},
}


def every_recipe() -> list[Recipe]:
    found = {}
    for build in METHODS.values():
        for variant in ("paper", "corrected"):
            for gamma in (None, 1.0):
                try:
                    recipe = build(variant, gamma)
                except EbmoodError:  # A method that takes no labels.
                    assert gamma is not None
                    continue
                found.setdefault(recipe.digest(), recipe)
    return list(found.values())


def short(recipe: Recipe) -> Recipe:
    return recipe.overridden(**SHORT.get(recipe.method, {}))


@pytest.fixture(scope="module")
def split():
    return split_dataset(Toy(shape="moons", rows=1500).load(), seed=0)


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).uniform(-5, 5, size=(500, 2)).astype(np.float32)


def test_there_is_one_recipe_of_each_kind():
    labels = [recipe.label for recipe in every_recipe()]
    assert len(labels) == len(set(labels)) == 16
    assert [label for label in labels if label.startswith("cd")] == [
        "cd",
        "cd paper gamma=1",
        "cd sound gamma=1",
    ]


@pytest.mark.parametrize("recipe", [r for r in every_recipe() if not r.degenerate], ids=lambda r: r.label)
def test_learns_two_moons(recipe, split, noise):
    reports = []
    fitted = short(recipe).fit(split, seed=0, report=reports.append)
    inside, outside = fitted.scorer.score_samples(split.test_x), fitted.scorer.score_samples(noise)
    assert inside.dtype == np.float64
    assert inside.shape == (len(split.test_x),)
    assert np.isfinite(inside).all()
    assert np.isfinite(outside).all()
    assert separation(inside, outside).auroc > 0.9
    assert (recipe.training is None) == (not reports) == (not fitted.history)


@pytest.mark.parametrize("recipe", [r for r in every_recipe() if r.degenerate], ids=lambda r: r.label)
def test_degenerate_recipes_say_so_and_learn_no_density(recipe, split):
    """The curvature of a density's peaks is negative. Here it is not, and the score withers to nothing."""
    with pytest.warns(DegenerateObjectiveWarning, match="piecewise-linear"):
        fitted = short(recipe).fit(split, seed=0)
    curvature = np.array(fitted.history["energy/curvature"])
    assert (curvature >= 0).all()
    rows = split.train_x
    spread = fitted.scorer.score_samples(rows).std()
    with pytest.warns(DegenerateObjectiveWarning):
        untrained = short(recipe).overridden(training={"steps": 1}).fit(split, seed=0)
    if recipe.gamma is None:
        assert spread < 0.1 * untrained.scorer.score_samples(rows).std()
        assert fitted.history["energy/loss"][-1] < 1e-3
    else:
        # The cross-entropy alone keeps it from a constant.
        alone = np.array(fitted.history["energy/loss"]) - np.array(fitted.history["energy/cross_entropy"])
        assert (alone >= -1e-6).all()


def test_scoring_does_not_depend_on_the_company_of_rows(split):
    fitted = short(METHODS["vera"]("corrected", None)).overridden(training={"steps": 5}).fit(split, seed=0)
    together = fitted.scorer.score_samples(split.train_x)
    alone = np.concatenate([fitted.scorer.score_samples(row[None]) for row in split.train_x[:20]])
    np.testing.assert_allclose(together[:20], alone, rtol=1e-5, atol=1e-5)


def test_paper_and_sound_differ_in_what_the_protocol_mends_and_nothing_else():
    def differences(method, gamma):
        paper, sound = (METHODS[method](variant, gamma).model_dump() for variant in ("paper", "corrected"))
        return {
            f"{part}.{key}"
            for part in ("model", "objective", "training")
            for key in paper[part]
            if paper[part][key] != sound[part][key]
        }

    for gamma in (None, 1.0):
        assert differences("ssm", gamma) == {"model.activation"}
        assert differences("vera", gamma) == {"objective.gradient_penalty"}
    assert differences("cd", None) == set()
    assert differences("cd", 1.0) == {"objective.chain"}


def test_overrides_merge_check_and_mark():
    recipe = METHODS["cd"]("paper", 1.0)
    changed = recipe.overridden(objective={"chain": {"noise": 0.1}}, training={"steps": 100})
    assert changed.objective.chain.steps == 20
    assert changed.objective.chain.noise == 0.1
    assert changed.shortened
    assert not recipe.overridden(training={"steps": 20_000}).shortened
    with pytest.raises(ValueError, match="stepz"):
        recipe.overridden(training={"stepz": 1})
    with pytest.raises(EbmoodError, match="has no objective"):
        METHODS["knn"]("both", None).overridden(objective={"steps": 1})


def test_supervision_needs_classes(split):
    flat = split.__class__(**{**split.__dict__, "train_y": np.zeros_like(split.train_y), "classes": 1})
    with pytest.raises(EbmoodError, match=r"moons.*needs labels of two classes.*one class"):
        METHODS["cd"]("corrected", 1.0).fit(flat, seed=0)
    with pytest.raises(EbmoodError, match="takes no labels"):
        METHODS["radial"]("both", 1.0)


def test_selection_keeps_the_state_that_is_rated_highest(split):
    """Rated by minus its distance to a score seen early on, an early state is kept, not the last."""
    ratings = []

    def rate(scorer):
        ratings.append(float(scorer.score_samples(split.validation_x).mean()))
        return -abs(ratings[-1] - ratings[0])

    recipe = short(METHODS["ssm"]("corrected", None))
    kept = recipe.fit(split, seed=0, select_by=rate).scorer.score_samples(split.validation_x).mean()
    assert len(ratings) > 1
    assert kept == pytest.approx(ratings[0])
    assert ratings[-1] != pytest.approx(ratings[0])


@pytest.mark.parametrize("chosen_by", ["validation loss", "validation OOD sets", "function"])
def test_a_checkpoint_that_was_chosen_by_others_is_not_taken_up(chosen_by, split, tmp_path, caplog):
    def highest(scorer):
        return float(scorer.score_samples(split.validation_x).mean())

    def lowest(scorer):
        return -highest(scorer)

    stops = {"validate_every": 1} if chosen_by == "validation loss" else {}
    recipe = METHODS["radial"]("corrected", None).overridden(
        training={"steps": 40, "batch_size": 600, "warmup": 0, "validate_every": None} | stops
    )
    select_by = None if stops else partial(highest)

    def fit(split, select_by, checkpoints):
        fitted = recipe.fit(split, seed=0, select_by=select_by, checkpoints=checkpoints)
        return fitted.scorer.score_samples(split.test_x)

    def kept():
        return Checkpoints(tmp_path, steps=7)

    whole = fit(split, select_by, kept())
    caplog.clear()
    np.testing.assert_array_equal(fit(split, select_by, kept()), whole)  # the same run takes up its own
    assert not caplog.text
    if chosen_by == "validation loss":
        split = replace(split, validation_x=split.validation_x[:5])
    elif chosen_by == "validation OOD sets":
        first, *others = split.validation_ood
        split = replace(split, validation_ood=(replace(first, x=first.x[:5]), *others))
    else:
        select_by = lowest
    there = fit(split, select_by, kept())
    assert "of a run with other settings or data" in caplog.text
    np.testing.assert_array_equal(there, fit(split, select_by, None))


def test_a_detector_that_cannot_be_made_is_refused_when_it_is_named():
    with pytest.raises(EbmoodError, match="cannot be imported"):
        external_detector("sklearn.nope.Thing", {})
    with pytest.raises(EbmoodError, match="takes no parameter 'nuu'"):
        external_detector("sklearn.svm.OneClassSVM", {"nuu": 1})


def test_an_override_of_another_kind_takes_the_place_of_what_was_there():
    recipe = METHODS["cd"]("corrected", None)
    assert recipe.overridden(objective={"chain": {"steps": 3}}).objective.chain == SGLD(steps=3)
    changed = recipe.overridden(objective={"chain": {"kind": "mala", "steps": 3}})
    assert changed.objective.chain == MALA(steps=3)
    assert changed.overridden(objective={"chain": {"steps": 4}}).objective.chain == MALA(steps=4)
