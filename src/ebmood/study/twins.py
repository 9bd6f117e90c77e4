"""Nudged twins: each cell that trains a network once more, with one last bit of one weight moved.

The difference between the scores of a cell and those of its twin says whether its training depends on rounding.
"""

from collections.abc import Iterator
from dataclasses import replace

from ebmood.core.errors import EbmoodError
from ebmood.core.interface import for_interface
from ebmood.recipes import Recipe
from ebmood.recipes.classifier_score import ClassifierScore
from ebmood.study.cell import cell_key
from ebmood.study.study_file import Study, Task


def with_twins(study: Study) -> Study:
    """Return the study with the nudged twin of each trained cell after it.

    Raises:
        EbmoodError: no cell of the study trains a network.
    """
    tasks = tuple(task for cell in study.tasks for task in (cell, *_twins(cell)))
    if len(tasks) == len(study.tasks):
        reasons = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in without_twin(study).items())
        raise EbmoodError(
            f"{for_interface('--nudge', 'with_twins')}: no cell of {study.name} trains a network that can be nudged "
            f"({reasons}); add a trained method{for_interface(', or leave out --nudge', '')}"
        )
    return replace(study, tasks=tasks)


def without_twin(study: Study) -> dict[str, list[str]]:
    """Return the labels of the recipes that have no twin, by the reason."""
    recipes: dict[str, dict[str, None]] = {}
    for task in study.tasks:
        if not task.cell.recipe.trains_network:
            recipes.setdefault(_reason(task.cell.recipe), {})[task.cell.recipe.label] = None
    return {reason: list(labels) for reason, labels in recipes.items()}


def _twins(task: Task) -> Iterator[Task]:
    if task.cell.recipe.trains_network:
        twin = task.cell.updated(nudged=True, keep=False)
        name, seed = task.name.rsplit(", ", 1)
        yield Task(twin, cell_key(twin), f"{name} nudged, {seed}")


def _reason(recipe: Recipe) -> str:
    if recipe.combination:
        return "combines models that have twins of their own"
    if isinstance(recipe.model, ClassifierScore):
        return "scores a classifier that all cells of a seed share"
    return "trains no network by gradients"
