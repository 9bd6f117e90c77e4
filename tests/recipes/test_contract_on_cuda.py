"""All recipes train on a CUDA device as on a CPU. Skipped on machines without one."""

import numpy as np
import pytest
import torch
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

from ebmood.core.metrics import separation
from ebmood.recipes import DensityScorer, Fitted

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

TRAINED = [recipe for recipe in table_recipes() if recipe.training and not recipe.degenerate]


def check(fitted: Fitted, id_x: np.ndarray, ood_x: np.ndarray, auroc: float) -> None:
    """Check that the model separates the rows, and that its scores on the CPU are equal up to rounding."""
    scores = [fitted.scorer.score_samples(x) for x in (id_x, ood_x)]
    assert separation(*scores).auroc > auroc
    scorer = fitted.scorer
    assert isinstance(scorer, DensityScorer)
    on_cpu = DensityScorer(scorer.model.to("cpu"), torch.device("cpu"), scorer.noise, scorer.seed)
    for x, on_cuda in zip((id_x, ood_x), scores, strict=True):
        expected = on_cpu.score_samples(x)
        np.testing.assert_allclose(on_cuda, expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize("recipe", TRAINED, ids=lambda recipe: recipe.label)
def test_a_recipe_learns_two_moons(recipe):
    split = moons_split()
    check(shorten(recipe).fit(split, seed=0, device="cuda"), split.test_x, uniform_noise(), 0.9)


@pytest.mark.parametrize(("method", "gamma", "bottleneck"), ENERGIES + FLOWS)
def test_an_image_recipe_separates_training_images_from_noise(method, gamma, bottleneck):
    split = image_split()
    fitted = short_image_recipe(method, gamma, bottleneck=bottleneck).fit(split, seed=0, device="cuda")
    check(fitted, split.train_x, noise_images(), 0.95)


@pytest.mark.parametrize("method", ["cd", "vera"])
def test_bf16_learns_as_well(method):
    split = image_split()
    precision = {"precision": "bf16"}
    recipe = short_image_recipe(method).overridden(
        objective={"chain": precision} if method == "cd" else precision
    )
    check(recipe.fit(split, seed=0, device="cuda"), split.train_x, noise_images(), 0.95)
