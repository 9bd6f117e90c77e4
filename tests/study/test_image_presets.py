"""The presets `fmnist` and `cifar10`, with small files in the original formats, have the settings of the protocol."""

import pytest
import torch
from helpers.images import (
    idx_bytes,
    pixels,
    write,
    write_celeba,
    write_cifar,
    write_lmdb,
    write_mnist_like,
    write_svhn,
    write_textures,
)

from ebmood.data import CIFAR10, FMNIST
from ebmood.networks import WideResNet
from ebmood.study.schema import ImageFiles
from ebmood.study.study_file import load_study

pytestmark = pytest.mark.filterwarnings("ignore::ebmood.core.errors.DegenerateObjectiveWarning")
BOTTLENECKS = (0.05, 0.1, 0.2)


@pytest.fixture(params=["fmnist", "cifar10"])
def preset(request, tmp_path, monkeypatch):
    """Return the name and the study of a preset, with all data sets available."""
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path / "cache"))
    if request.param == "fmnist":
        for name in ("FashionMNIST", "MNIST", "KMNIST"):
            write_mnist_like(tmp_path, name, suffix=".gz")
        write(tmp_path / "notmnist-test-images-idx3-ubyte.gz", idx_bytes(pixels(20, 28, 28)))
    else:
        write_cifar(tmp_path, monkeypatch, "CIFAR10")
        write_cifar(tmp_path, monkeypatch, "CIFAR100")
        write_svhn(tmp_path, monkeypatch)
        write_textures(tmp_path / "dtd")
        write_celeba(tmp_path / "celeba", monkeypatch)
        write_lmdb(tmp_path / "test_lmdb", {f"{k:040}": pixels(1, 40, 36, 3, seed=k)[0] for k in range(5)})
    return request.param, load_study(request.param, files=ImageFiles(data=str(tmp_path)))


def test_cells_of_a_preset(preset):
    name, study = preset
    (source,) = {task.cell.dataset for task in study.tasks}
    natural = {
        "fmnist": ["mnist", "notmnist", "kmnist"],
        "cifar10": ["lsun", "textures", "cifar-100", "svhn", "celeba"],
    }
    assert isinstance(source, FMNIST if name == "fmnist" else CIFAR10)
    dataset = source.load()
    assert list(dataset.natural) == natural[name]
    assert (dataset.small, dataset.absent, dataset.stand_ins) == (False, {}, ())
    assert (source.size, source.train_rows, source.test_rows) == (32, None, 10_000)
    assert source.unscaled == {"fmnist": "kmnist", "cifar10": "svhn"}[name]
    seeds: dict[str, set[int]] = {}
    for task in study.tasks:
        seeds.setdefault(task.cell.recipe.label, set()).add(task.cell.seed)
    energies = ["cd"] + [
        f"{method} {variant}" for method in ("vera", "ssm") for variant in ("paper", "corrected")
    ]
    five_seeds = [
        *energies,
        *(f"{energy} bottleneck={fraction}" for energy in energies for fraction in BOTTLENECKS),
        *(f"{energy} embedding" for energy in energies),
        *(
            f"{m} {v} gamma={100 if m == 'vera' else 1}"
            for m in ("cd", "vera", "ssm")
            for v in ("paper", "corrected")
        ),
        *(f"{method} embedding" for method in ("radial", "spline", "gmm", "knn")),
        *("realnvp", "glow", "max-softmax", "logsumexp"),
    ]
    grids = {"cd": (0.01, 0.1, 10, 100), "vera": (0.01, 0.1, 1, 10), "ssm": (0.01, 0.1, 10, 100)}
    one_seed = [f"{method} corrected gamma={gamma}" for method, grid in grids.items() for gamma in grid]
    assert seeds == {key: {0, 1, 2, 3, 4} for key in five_seeds} | {key: {0} for key in one_seed}
    assert {task.cell.selection for task in study.tasks} == {"last"}
    assert not any(task.cell.recipe.shortened for task in study.tasks)


def test_the_medium_preset(tmp_path, monkeypatch):
    """It has the arms of `fmnist-small` and the protocol's networks; score matching and embeddings come first."""
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path / "cache"))
    write_mnist_like(tmp_path, "FashionMNIST", suffix=".gz")
    files = ImageFiles(data=str(tmp_path))
    medium, small = (load_study(name, files=files) for name in ("fmnist-medium", "fmnist-small"))
    recipes = {task.cell.recipe.label: task.cell.recipe for task in medium.tasks}
    assert set(recipes) == {task.cell.recipe.label for task in small.tasks}
    (source,) = {task.cell.dataset for task in medium.tasks}
    assert (source.size, source.train_rows, source.test_rows) == (32, 20_000, 2_000)
    seeds: dict[str, set[int]] = {}
    for task in medium.tasks:
        seeds.setdefault(task.cell.recipe.label, set()).add(task.cell.seed)
    assert {label for label, of_label in seeds.items() if of_label == {0}} == {
        *("cd", "cd corrected gamma=1", "cd bottleneck=0.1"),
        *("vera corrected", "vera corrected gamma=100", "vera corrected bottleneck=0.1"),
    }
    assert all(of_label in ({0}, {0, 1}) for of_label in seeds.values())
    for label, recipe in recipes.items():
        if recipe.embedding is not None:
            assert (recipe.embedding.model.depth, recipe.embedding.model.width) == (10, 2)
            training = recipe.embedding.training
            assert (training.steps, training.drops) == (8_000, (14, 20, 24))
            assert (training.augmentation.pad, training.augmentation.rotate) == (2, 0)
            assert label.split()[0] in ("radial", "knn") or recipe.training.steps == 10_000
        elif recipe.family == "energy":
            model = recipe.model
            assert (model.depth, model.width, model.strides, model.stride_first) == (10, 2, (1, 2, 2), False)
            assert recipe.training.steps == (3_000 if recipe.method == "ssm" else 1_500)
    assert recipes["cd"].objective.chain.steps == 20
    vera = recipes["vera corrected"].objective
    assert (vera.resnet_channels, vera.posterior_samples) == (128, 4)
    first = [task.cell.recipe for task in medium.tasks if task.cell.seed == 0]
    assert [recipe.embedding is not None for recipe in first[:5]] == [True] * 5
    assert [recipe.method for recipe in first[7:10]] == ["ssm"] * 3


def test_settings_are_those_of_the_protocol(preset):
    name, study = preset
    recipes = {task.cell.recipe.label: task.cell.recipe for task in study.tasks}
    batch, features_batch = {"fmnist": (64, 128), "cifar10": (32, 512)}[name]
    for recipe in recipes.values():
        if recipe.family == "energy" and recipe.embedding is None:
            check_image_recipe(recipe, batch)
        if recipe.embedding is not None:
            assert (recipe.embedding.model.depth, recipe.embedding.model.width) == (28, 10)
            assert recipe.training is None or recipe.training.batch_size == features_batch
            if recipe.family == "energy":
                assert recipe.model.hidden == (100,) * 5
                assert recipe.training.steps == 10_000
    corrected = {gamma: recipes[f"cd corrected gamma={gamma}"].objective for gamma in (0.01, 1, 100)}
    assert {objective.chain.steps for objective in corrected.values()} == {100}
    assert recipes["cd paper gamma=1"].objective.chain.steps == 20
    penalties = {
        variant: recipes[f"vera {variant}"].objective.gradient_penalty for variant in ("paper", "corrected")
    }
    assert penalties == pytest.approx({"paper": 0.1 / batch**2, "corrected": 0.1})
    realnvp, glow = recipes["realnvp"], recipes["glow"]
    assert (realnvp.model.scales, realnvp.model.channels, realnvp.model.blocks) == (2, 32, 4)
    assert (glow.model.levels, glow.model.steps, glow.model.channels) == (3, 32, 512)
    assert (realnvp.objective.optimiser.lr, glow.objective.optimiser.lr) == (1e-4, 1e-3)
    with torch.device("meta"):
        assert WideResNet(3, 10, depth=28, width=10).last.in_features == 640


def check_image_recipe(recipe, batch):
    """Check the network, the optimiser, the training, the inputs and the objective of an energy model for images."""
    model, objective, training = recipe.model, recipe.objective, recipe.training
    assert (model.depth, model.width, model.strides, model.norm) == (10, 2, (1, 2, 2), None)
    assert not model.stride_first
    smooth = recipe.method == "ssm" and recipe.variant == "corrected"
    assert (model.activation, model.slope) == ("silu" if smooth else "leaky_relu", 0.2)
    assert training.batch_size == batch
    assert training.epochs == (50 if recipe.method == "ssm" else 20)
    assert (training.augmentation.pad, training.augmentation.rotate, training.augmentation.flip) == (
        4,
        15,
        True,
    )
    if recipe.method == "vera":
        assert (training.warmup, training.halve_every) == (0, None)
        assert (training.drops, training.drop) == ((15, 18), 0.3)
        assert training.input_noise is None
        assert (objective.noise, objective.resnet_channels) == (128, 128)
        assert (objective.entropy_weight, objective.posterior_samples, objective.posterior_width) == (
            1e-4,
            20,
            0.1,
        )
        assert objective.sigma_bounds == (0.01, 0.3)
        rates = [objective.energy.lr, objective.generator.lr, objective.posterior.lr]
        assert rates == [3e-5, 6e-5, 3e-5]
        assert {player.betas for player in (objective.energy, objective.generator)} == {(0.0, 0.9)}
        return
    assert (training.warmup, training.halve_every, training.drops) == (2_500, 1_000, None)
    assert training.input_noise == 0.1
    optimiser = objective.optimiser
    assert (optimiser.lr, optimiser.betas, optimiser.weight_decay) == (1e-4, (0.9, 0.999), 0)
    if recipe.method == "ssm":
        assert objective.over == ("last" if recipe.variant == "paper" else None)
        return
    chain = objective.chain
    assert (chain.step_size, chain.noise, chain.clip, chain.precision) == (1.0, 0.01, None, None)
    assert (objective.buffer, objective.restart, objective.penalty) == (10_000, 0.05, 1.0)
    labels = recipe.gamma is not None
    assert objective.class_conditional == labels
    assert objective.class_entropy == (1e-4 if labels else None)
    assert labels or chain.steps == 100
