"""All recipes with less training, and small data sets to train them on."""

import os
from pathlib import Path

import numpy as np

from ebmood.core.errors import EbmoodError
from ebmood.data import FMNIST, Split, Toy, split_dataset
from ebmood.recipes import METHODS, Classifier, Recipe, recipe_for
from ebmood.training import Training

SIZE = 8
"""Height and width of the images in pixels."""

MLP = {"hidden": (64, 64)}
FAST = {"lr": 2e-3, "betas": (0.0, 0.9)}
TABLES = {
    "ssm": {"model": MLP, "training": {"steps": 300, "warmup": 30, "batch_size": 128}},
    "dsm": {
        "model": MLP,
        "objective": {"sigma": 0.3},
        "training": {"steps": 300, "warmup": 30, "batch_size": 128},
    },
    "nce": {"model": MLP, "training": {"steps": 100, "warmup": 10, "batch_size": 128}},
    "cd": {
        "model": MLP,
        "objective": {"chain": {"steps": 15}, "buffer": 1000, "optimiser": FAST},
        "training": {"steps": 100, "warmup": 10, "batch_size": 128},
    },
    "vera": {
        "model": MLP,
        "objective": {"hidden": (64, 64), "energy": FAST, "generator": FAST, "posterior_samples": 5},
        "training": {"steps": 400, "warmup": 30, "batch_size": 64},
    },
    "radial": {"training": {"steps": 200}},
    "spline": {"model": {"hidden": (32,), "transforms": 2}, "training": {"steps": 60}},
}
"""Overrides for two moons, by method. Other methods that train have the length of `OTHERS`."""

OTHERS = {"training": {"steps": 300, "warmup": 30, "batch_size": 128}}

MODERN = {"model": {"hidden": (32, 32), "components": 8}, "training": {"steps": 60, "warmup": 5}}
"""Overrides of all modern recipes for two moons."""

WIDERESNET = {"width": 1, "stride_first": True}
GAME = {"lr": 1e-3, "betas": (0.0, 0.9)}
IMAGES = {
    "ssm": (WIDERESNET, {"optimiser": {"lr": 2e-3}}, 60),
    "cd": (WIDERESNET, {"chain": {"steps": 10}, "buffer": 256, "optimiser": GAME}, 60),
    "vera": (
        WIDERESNET,
        {"resnet_channels": 16, "posterior_samples": 2, "energy": GAME, "generator": GAME},
        60,
    ),
    "realnvp": ({"channels": 8, "blocks": 1}, {"optimiser": {"lr": 3e-3}}, 80),
    "glow": ({"levels": 2, "steps": 2, "channels": 16}, {"optimiser": {"lr": 3e-3}}, 80),
}
"""Overrides of model and objective and the number of steps for images, by method."""

FLOWS = [("realnvp", None, None), ("glow", None, None)]
ENERGIES = [
    (method, *options)
    for method in ("ssm", "cd", "vera")
    for options in ((None, None), (1.0, None), (None, 0.5))
]
"""Method, gamma and bottleneck of recipes for images."""


def table_recipes() -> list[Recipe]:
    """Return every recipe for tables once: all methods and variants, with and without labels."""
    recipes: dict[str, Recipe] = {}
    for build in METHODS.values():
        for variant in ("paper", "corrected", "modern"):
            for gamma in (None, 1.0):
                try:
                    recipe = build(variant, gamma)
                except EbmoodError:  # the method does not take labels
                    assert gamma is not None
                    continue
                recipes.setdefault(recipe.digest(), recipe)
    return list(recipes.values())


def shorten(recipe: Recipe) -> Recipe:
    """Return a recipe for tables with the overrides of its method."""
    if recipe.variant == "modern":
        return recipe.overridden(**MODERN)
    return recipe.overridden(**TABLES.get(recipe.method, {} if recipe.objective is None else OTHERS))


def short_image_recipe(method: str, gamma: float | None = None, **options) -> Recipe:
    """Return a recipe for images with the overrides of its method."""
    recipe = recipe_for(method, "corrected", gamma, (1, SIZE, SIZE), **options)
    model, objective, steps = IMAGES[method]
    training = {"epochs": None, "steps": steps, "warmup": 5, "batch_size": 32, "augmentation": None}
    return recipe.overridden(model=model, objective=objective, training=training)


def small_classifier(**settings) -> Classifier:
    return Classifier(
        model=Classifier().model.updated(depth=10, width=1, stride_first=True),
        training=Training(steps=40, warmup=0, batch_size=32),
        **settings,
    )


def moons_split() -> Split:
    return split_dataset(Toy(shape="moons", rows=1500).load(), seed=0)


def uniform_noise() -> np.ndarray:
    """Return 500 OOD rows for `moons_split`."""
    return np.random.default_rng(0).uniform(-5, 5, size=(500, 2)).astype(np.float32)


def real_images() -> tuple[np.ndarray, np.ndarray]:
    """Return 128 images `(N, 1, 8, 8)` and their classes: FMNIST if available, else the digits of scikit-learn."""
    folder = os.environ.get("EBMOOD_DATA")
    if folder and Path(folder, "FashionMNIST", "raw").is_dir():
        data = FMNIST(size=SIZE, missing="note").load()
        assert data.y is not None
        return np.array(data.x[:128]), data.y[:128]
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = np.round(digits.images[:128] * (255 / 16)).astype(np.uint8)[:, None]
    return x, digits.target[:128].astype(np.int64)


def image_split() -> Split:
    x, y = real_images()
    return Split("images", x[:64], x[64:96], x[96:], y[:64], y[64:96], y[96:], 10, (), (), 0, 0)


def noise_images() -> np.ndarray:
    """Return 64 OOD images for `image_split`."""
    return np.random.default_rng(0).integers(0, 256, size=(64, 1, SIZE, SIZE), dtype=np.uint8)
