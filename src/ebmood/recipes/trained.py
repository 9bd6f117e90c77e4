"""Trained density models in the cache folder, so that several cells share one training."""

import hashlib
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from ebmood.core.files import cache_folder
from ebmood.core.settings import digest
from ebmood.data.dataset import Split
from ebmood.models import DensityScorer
from ebmood.recipes.fitted import Fitted
from ebmood.recipes.recipe import Recipe
from ebmood.recipes.weights import read_weights, weights_lock, write_weights
from ebmood.training import Checkpoints, Report


def trained(recipe: Recipe, split: Split, seed: int, device: str, report: Report | None = None) -> Fitted:
    """Return the model of a recipe from the cache, or train it and store its weights there.

    The history of the training is empty if the weights come from the cache. An interrupted training resumes.

    Args:
        recipe: a recipe with a density model.
        split: the split, already embedded if the recipe has an embedding.
        seed: seed of the cell.
        device: `auto`, `cpu` or `cuda`.
        report: called during training.

    Raises:
        EbmoodError: the cache cannot be written, or training diverged.
    """
    file = _file(recipe, split, seed)
    with weights_lock(file):
        if file.exists():
            scorer = recipe.untrained(split, seed, device)
            return Fitted(scorer, {}, read_weights(file, scorer.model))
        checkpoints = Checkpoints(file.with_suffix(""))
        fitted = recipe.fit(split, seed, device, report, checkpoints=checkpoints)
        _write(file, fitted)
        shutil.rmtree(checkpoints.folder, ignore_errors=True)
        return fitted


def store(recipe: Recipe, split: Split, seed: int, fitted: Fitted) -> None:
    """Store the weights of a model that was trained by `recipe.fit`, for `trained`. See there for arguments."""
    file = _file(recipe, split, seed)
    with weights_lock(file):
        _write(file, fitted)


def _write(file: Path, fitted: Fitted) -> None:
    if isinstance(fitted.scorer, DensityScorer):
        write_weights(file, fitted.scorer.model, fitted.events)


def _file(recipe: Recipe, split: Split, seed: int) -> Path:
    """Return the file for everything that the weights depend on."""
    ignored = {"method", "title", "family", "shortened", "scores"}
    settings = recipe.model_dump(mode="json", exclude=ignored, exclude_none=True)
    content = hashlib.sha256()
    for rows in (split.train_x, split.validation_x, split.train_y):
        if rows is not None:
            content.update(f"{rows.dtype.str} {rows.shape}".encode())
            content.update(np.ascontiguousarray(rows).data)
    key = digest([settings, seed, content.hexdigest(), torch.__version__, version("ebmood")])
    return cache_folder("models") / f"{key}.safetensors"
