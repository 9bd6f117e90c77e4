"""Every recipe trains on a CUDA device as on a processor; left out where there is none, as in CI."""

import numpy as np
import pytest
import torch
from test_contract import every_recipe, short
from test_image_recipes import ENERGIES, FLOWS, real_pictures
from test_image_recipes import short as short_of_images

from ebmood.core.metrics import separation
from ebmood.data import Split, Toy, split_dataset
from ebmood.recipes.recipe import DensityScorer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

TRAINED = [recipe for recipe in every_recipe() if recipe.training and not recipe.degenerate]


@pytest.fixture(scope="module")
def moons():
    return split_dataset(Toy(shape="moons", rows=1500).load(), seed=0)


@pytest.fixture(scope="module")
def pictures() -> Split:
    x, y = real_pictures()
    return Split("pictures", x[:64], x[64:96], x[96:], y[:64], y[64:96], y[96:], 10, (), (), 0, 0)


def check(fitted, inside: np.ndarray, outside: np.ndarray, least: float) -> None:
    """It learnt something, and says the same on a processor."""
    scores = [fitted.scorer.score_samples(rows) for rows in (inside, outside)]
    assert separation(*scores).auroc > least
    there_was = fitted.scorer
    scorer = DensityScorer(there_was.model.to("cpu"), torch.device("cpu"), there_was.noise, there_was.seed)
    for rows, there in zip((inside, outside), scores, strict=True):
        here = scorer.score_samples(rows)
        np.testing.assert_allclose(there, here, rtol=2e-3, atol=2e-3 * np.abs(here).max())


@pytest.mark.parametrize("recipe", TRAINED, ids=lambda recipe: recipe.label)
def test_learns_two_moons(recipe, moons):
    noise = np.random.default_rng(0).uniform(-5, 5, size=(500, 2)).astype(np.float32)
    check(short(recipe).fit(moons, seed=0, device="cuda"), moons.test_x, noise, 0.9)


@pytest.mark.parametrize(("method", "gamma", "bottleneck"), ENERGIES + FLOWS)
def test_overfits_real_pictures(method, gamma, bottleneck, pictures):
    noise = np.random.default_rng(0).integers(0, 256, size=(64, 1, 8, 8), dtype=np.uint8)
    fitted = short_of_images(method, gamma, bottleneck=bottleneck).fit(pictures, seed=0, device="cuda")
    check(fitted, pictures.train_x, noise, 0.95)


@pytest.mark.parametrize("part", ["chain", None])
def test_bf16_by_choice(part, pictures):
    """Chains of CD, and VERA's posterior."""
    precision = {"precision": "bf16"}
    changed = {part: precision} if part else precision
    recipe = short_of_images("cd" if part else "vera").overridden(objective=changed)
    noise = np.random.default_rng(0).integers(0, 256, size=(64, 1, 8, 8), dtype=np.uint8)
    check(recipe.fit(pictures, seed=0, device="cuda"), pictures.train_x, noise, 0.95)
