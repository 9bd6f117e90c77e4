"""When the fast paths are used, and that the package works without them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import ebmood
from ebmood.fast import accelerate
from ebmood.models import AnchoredEnergy, EnergyModel, RadialFlow, TiedMixture
from ebmood.networks import MLP
from ebmood.objectives import CD, SSM, Likelihood
from ebmood.training import Training, make_fabric, train

TRAIN_EVERY_RECIPE = """
import importlib.util, sys, warnings
from dataclasses import replace
import numpy as np, torch
from ebmood.core.errors import EbmoodError
from ebmood.data import Toy, split_dataset
from ebmood.recipes import IMAGE_METHODS, METHODS
from ebmood.recipes.classifier import Classifier
from ebmood.recipes.images import ImageOptions

assert importlib.util.find_spec("ebmood.fast") is None
warnings.simplefilter("ignore")
torch.set_num_threads(1)
table = split_dataset(Toy(rows=200).load(), seed=0)
pixels = np.random.default_rng(0).integers(0, 256, (200, 1, 8, 8), dtype=np.uint8)
images = replace(
    table,
    **{f"{part}_x": pixels[: len(getattr(table, f"{part}_x"))] for part in ("train", "validation", "test")},
)
small = {
    "training": {"epochs": None, "steps": 2, "batch_size": 8},
    "vera": {"objective": {"resnet_channels": 8, "posterior_samples": 2}},
    "cd": {"objective": {"chain": {"steps": 2}}},
    "glow": {"model": {"levels": 2, "steps": 2, "channels": 8}},
}
options = ImageOptions(8, None, Classifier())
recipes = []
for variant in ("paper", "corrected"):
    for gamma in (None, 1.0):
        for methods, arguments in ((METHODS, ()), (IMAGE_METHODS, (options,))):
            for name, method in methods.items():
                try:
                    recipe = method(variant, gamma, *arguments)
                except EbmoodError:  # the method takes no labels
                    continue
                if recipe.training is not None:
                    changes = small.get(name, {}) if arguments else {}
                    recipes.append((recipe.overridden(training=small["training"], **changes), bool(arguments)))
for recipe, on_images in recipes:
    split = images if on_images else table
    scores = recipe.fit(split, seed=0).scorer.score_samples(split.test_x)
    assert np.isfinite(scores).all(), recipe.label
    print(recipe.method)
"""


@pytest.mark.slow
def test_every_recipe_trains_without_the_folder(tmp_path):
    package = Path(ebmood.__file__).parent
    shutil.copytree(package, tmp_path / "ebmood", ignore=shutil.ignore_patterns("fast", "__pycache__"))
    done = subprocess.run(
        [sys.executable, "-c", TRAIN_EVERY_RECIPE],
        env=os.environ | {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert {"ssm", "cd", "vera", "radial", "realnvp"} <= set(done.stdout.split())


@pytest.fixture
def called(monkeypatch):
    """Names of the functions of `ebmood.fast` that a training calls."""
    names: list[str] = []
    from ebmood.fast import mlp

    real = mlp._score_matching_terms
    monkeypatch.setattr(
        mlp, "_score_matching_terms", lambda *arguments: (names.append("terms"), real(*arguments))[1]
    )
    return names


@pytest.mark.parametrize(("fast", "used"), [(None, True), (False, False)])
def test_the_training_settings_decide(fast, used, called):
    objective = SSM().build(EnergyModel(MLP(3, (8,), 1, "silu")), 1, (3,), 0)
    training = Training(steps=2, batch_size=8, fast=fast)
    train(objective, torch.rand(16, 3), None, training, 0, make_fabric("cpu"))
    assert bool(called) == used


def test_evaluation_mode_uses_the_reference():
    flow, x = RadialFlow(3, 20).double(), torch.rand(50, 3, dtype=torch.float64)
    expected = flow.eval().log_density(x)
    with accelerate(Likelihood().build(flow, 1, (3,), 0), 10, 5):
        assert not torch.equal(flow.train().log_density(x), expected)  # rounded differently
        assert torch.equal(flow.eval().log_density(x), expected)


def test_subclasses_of_the_energy_model_are_left_alone():
    """Their logits are not those of their network."""
    base = TiedMixture(3, 1)
    model = AnchoredEnergy(base, MLP(3, (8,), 1, "silu"))
    with accelerate(CD().build(model, 1, (3,), 0), 10, 5, compile=True):
        assert "value_and_grad" not in vars(model)
        value, gradient = model.value_and_grad(torch.ones(2, 3))
        torch.testing.assert_close(value, model.log_density(torch.ones(2, 3)).detach())
        assert gradient.abs().sum() > 0


def test_methods_are_restored_after_an_error():
    model = EnergyModel(MLP(3, (8,), 1, "silu"))
    objective = SSM().build(model, 1, (3,), 0)
    with pytest.raises(KeyboardInterrupt), accelerate(objective, 1, 1):
        raise KeyboardInterrupt
    assert "value_and_grad" not in vars(model)
