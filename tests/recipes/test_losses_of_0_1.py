"""The reference has the losses of version 0.1.0, in float64: `losses_of_0_1.json` was written by that version."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ebmood.data.dataset import Split
from ebmood.recipes import IMAGE_METHODS, METHODS, Classifier, Recipe
from ebmood.recipes.images import ImageOptions

LOSSES = json.loads((Path(__file__).parent / "losses_of_0_1.json").read_text())
SMALL = {
    "vera": {"objective": {"resnet_channels": 16, "posterior_samples": 4}},
    "cd": {"objective": {"chain": {"steps": 10}}},
    "glow": {"model": {"levels": 2, "steps": 2, "channels": 16}},
}


@pytest.fixture(autouse=True)
def _float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def split_of(x: np.ndarray, y: np.ndarray) -> Split:
    return Split("synthetic", x, x[:50], x[:50], y, y[:50], y[:50], 3, (), (), 0, 0)


def table() -> Split:
    generator = np.random.default_rng(0)
    y = generator.integers(0, 3, 400)
    centres = generator.uniform(0.2, 0.8, (3, 7))
    return split_of(centres[y] + 0.1 * generator.standard_normal((400, 7)), y)


def images() -> Split:
    generator = np.random.default_rng(1)
    y = generator.integers(0, 3, 40)
    x = generator.uniform(-1, 1, (40, 1, 8, 8)) * 0.3 + (y[:, None, None, None] - 1) * 0.4
    return split_of(np.clip(x, -1, 1), y)


def recipe_of(name: str) -> Recipe:
    words = name.removeprefix("image ").split()
    method, variant = words[:2]
    gamma = 1.0 if "gamma=1" in words else None
    if not name.startswith("image"):
        training = {"steps": 50, "batch_size": 64, "fast": False}
        return METHODS[method](variant, gamma).overridden(training=training)
    options = ImageOptions(64, 0.1 if "bottleneck" in words else None, Classifier())
    training = {"epochs": None, "steps": 10, "batch_size": 8, "augmentation": None, "fast": False}
    return IMAGE_METHODS[method](variant, gamma, options).overridden(
        training=training, **SMALL.get(method, {})
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ebmood.core.errors.DegenerateObjectiveWarning")
@pytest.mark.filterwarnings("ignore::ebmood.core.errors.DataWarning")
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    fitted = recipe_of(name).fit(images() if name.startswith("image") else table(), seed=3)
    for column, expected in LOSSES[name].items():
        np.testing.assert_allclose(fitted.history[column], expected, rtol=1e-9, atol=1e-9)
