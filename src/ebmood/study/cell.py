"""One cell of a study: a data set, a recipe and a seed, and the function that computes its record."""

import platform
import time
import warnings
from datetime import UTC, datetime
from functools import lru_cache, partial
from importlib.metadata import version
from typing import Any, Literal

import numpy as np

from ebmood.core.errors import RollbackWarning
from ebmood.core.settings import Settings, digest
from ebmood.data import AnySource, Dataset, Source, Split
from ebmood.models import Scorer
from ebmood.recipes import Recipe
from ebmood.recipes.trained import store
from ebmood.study.diagnostics import (
    class_accuracy,
    mean_bits_per_dim,
    ray_profile,
    recorded_scores,
    score_landscape,
)
from ebmood.study.measurements import failure_reason, fit_scores, ood_result
from ebmood.study.records import Record
from ebmood.study.sample_grids import sample_grids
from ebmood.training import Checkpoints, DivergedError, Report, TrainingStoppedError

LIBRARIES = ("ebmood", "torch", "numpy", "scikit-learn", "zuko", "scipy", "lightning-fabric", "river")


class Cell(Settings):
    """The settings of one cell.

    Attributes:
        dataset: source of the rows.
        recipe: recipe that is fitted to them.
        seed: seed of the split, the initialisation and the noise.
        selection: `last` scores the last step, or the state that early stopping selected. `paper` selects the
            state that is best on validation OOD sets drawn from the test OOD families, which is a leak.
        device: `auto`, `cpu` or `cuda`; not part of the key.
        keep: whether the trained weights are stored in the cache, because another cell combines this model with others;
            not part of the key.
        nudged: whether the cell is the nudged twin of another one: it trains the same network with one last bit of one
            weight moved, see `ebmood.models.nudge`. Its key is another one.
    """

    dataset: AnySource
    recipe: Recipe
    seed: int
    selection: Literal["last", "paper"] = "last"
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    keep: bool = False
    nudged: bool = False


def load(source: Source) -> Dataset:
    """Load the rows of a source. The last few data sets are cached."""
    return _load(type(source), source.model_dump_json())


@lru_cache(maxsize=4)
def _load(kind: type[Source], settings: str) -> Dataset:
    return kind.model_validate_json(settings).load()


def cell_key(cell: Cell) -> str:
    """Return sixteen hexadecimal digits over everything that the numbers of a cell depend on.

    This covers the content of the data set (not its location), the versions of its split and its probes, the
    recipe, the seed and the selection. Settings that are None are left out, so a new optional setting does not
    change existing keys.

    Raises:
        EbmoodError: the data cannot be read.
    """
    recipe = cell.recipe.model_dump(mode="json", exclude={"shortened", "title"}, exclude_none=True)
    if cell.recipe.combination:
        # The keys of the members stand for their settings, so that their titles do not count either.
        of = cell.recipe.combination.of.model_dump(mode="json", exclude_none=True)
        recipe["model"] = {"kind": recipe["model"]["kind"], "of": of, "members": list(member_keys(cell))}
    content = load(cell.dataset).digest()
    versions = list(cell.dataset.versions())
    nudged = ["nudged"] if cell.nudged else []
    return digest([content, cell.dataset.duplicates, recipe, cell.seed, cell.selection, versions, *nudged])


def member_keys(cell: Cell) -> tuple[str, ...]:
    """Return the keys of the cells of the models that a cell combines; none for a cell of one model."""
    combination = cell.recipe.combination
    members = combination.members if combination else ()
    return tuple(cell_key(cell.model_copy(update={"recipe": member})) for member in members)


def run_cell(
    cell: Cell, report: Report = lambda progress: None, checkpoints: Checkpoints | None = None
) -> Record:
    """Split the data, fit the recipe, score all test sets and return the record.

    A failure of the model (it diverges, or its library raises) becomes a record with status `failed`.

    Args:
        cell: the cell.
        report: called during training.
        checkpoints: where training stores its state and resumes from, or None.

    Raises:
        EbmoodError: the data cannot be read.
        TrainingStoppedError: the time of `stop_trainings_at` is over.
    """
    key = cell_key(cell)
    dataset = load(cell.dataset)
    started, clock = datetime.now(UTC), time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            outcome = _fit_and_score(cell, dataset, report, checkpoints)
        except TrainingStoppedError:
            raise
        except Exception as error:  # every failure is recorded with its reason
            outcome = _failure(
                failure_reason(error), error.events if isinstance(error, DivergedError) else ()
            )
    rollbacks = [str(w.message) for w in caught if issubclass(w.category, RollbackWarning)]
    others = [str(w.message) for w in caught if not issubclass(w.category, RollbackWarning)]
    # The outcome contains the rollbacks of the model; those of an embedding's classifier are only in the warnings.
    recorded = outcome["events"]
    outcome["events"] = (*(event for event in dict.fromkeys(rollbacks) if event not in recorded), *recorded)
    notes = tuple(dict.fromkeys([*dataset.notes, *others]))
    return _record(cell, key, dataset, started, time.perf_counter() - clock, notes, outcome)


def failed_record(cell: Cell, reason: str) -> Record:
    """Return the record of a cell whose worker could not report a result, for example because it died."""
    dataset = load(cell.dataset)
    return _record(cell, cell_key(cell), dataset, datetime.now(UTC), 0.0, dataset.notes, _failure(reason))


def _failure(reason: str, events: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"status": "failed", "reason": reason, "events": events}


def _record(
    cell: Cell,
    key: str,
    dataset: Dataset,
    started: datetime,
    seconds: float,
    notes: tuple[str, ...],
    outcome: dict[str, Any],
) -> Record:
    recipe = cell.recipe
    return Record.model_validate(
        {
            "key": key,
            "dataset": dataset.name,
            "dataset_digest": dataset.digest(),
            "duplicates": cell.dataset.duplicates,
            "method": recipe.method,
            "title": recipe.title,
            "family": recipe.family,
            "variant": recipe.variant,
            "gamma": recipe.gamma,
            "bottleneck": recipe.bottleneck,
            "embedding": recipe.embedding and recipe.embedding.name,
            "seed": cell.seed,
            "selection": cell.selection,
            "shortened": recipe.shortened,
            "degenerate": recipe.degenerate,
            "normalised": False,
            "score": recipe.combination and recipe.combination.of.title,
            "members": member_keys(cell),
            "twin_of": cell_key(cell.updated(nudged=False)) if cell.nudged else None,
            "density_scores": [
                {"score": score.title, "status": "failed", "reason": outcome.get("reason")}
                for score in recipe.scores or ()
            ],
            "small": dataset.small,
            "absent": dataset.absent,
            "stand_ins": dataset.stand_ins,
            "notes": notes,
            # Paths of this machine stay private.
            "settings": cell.model_dump(mode="json", exclude={"dataset": {"data", "cache"}}),
            "versions": library_versions(),
            "started": started.isoformat(timespec="seconds"),
            "seconds": seconds,
        }
        | outcome
    )


@lru_cache
def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that the numbers depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def _fit_and_score(
    cell: Cell, dataset: Dataset, report: Report, checkpoints: Checkpoints | None
) -> dict[str, Any]:
    split = cell.recipe.embed(cell.dataset.split(dataset, cell.seed), cell.seed, cell.device, report)
    selects_on_ood = cell.selection == "paper" and cell.recipe.training is not None
    select_by = partial(_mean_aupr, split) if selects_on_ood else None
    fitted = cell.recipe.fit(
        split, cell.seed, cell.device, report, select_by, checkpoints, nudged=cell.nudged
    )
    if cell.keep and not cell.nudged:
        store(cell.recipe, split, cell.seed, fitted)
    scorer = fitted.scorer
    others = fit_scores(cell.recipe.scores or (), scorer, split.train_x)
    # From here on, out-of-distribution rows are read.
    scores = {ood.name: scorer.score_samples(ood.x) for ood in split.test_ood}
    id_scores = scorer.score_samples(split.test_x)
    return {
        "status": "done",
        "normalised": scorer.normalised,
        "nudge": fitted.nudge,
        "results": tuple(ood_result(ood, id_scores, scores[ood.name]) for ood in split.test_ood),
        "density_scores": tuple(other.results(split, id_scores, scores) for other in others),
        "rows": {
            "train": len(split.train_x),
            "validation": len(split.validation_x),
            "test": len(split.test_x),
            "duplicates": split.duplicates,
            "crossing": split.crossing,
        },
        "accuracy": class_accuracy(scorer, split.test_x, split.test_y),
        "bits_per_dim": mean_bits_per_dim(scorer, split.test_x, cell.seed),
        "losses": {name: tuple(values) for name, values in fitted.history.items()},
        "events": fitted.events,
        "pictures": sample_grids(fitted.negatives),
        "scores": recorded_scores({"id": id_scores, **scores}),
        "rays": ray_profile(scorer, split.test_x, cell.seed),
        "landscape": score_landscape(scorer, split.train_x),
    }


def _mean_aupr(split: Split, scorer: Scorer) -> float:
    """Return the mean AUC-PR (ID positive) over the validation OOD sets, the paper's selection criterion."""
    id_scores = scorer.score_samples(split.validation_x)
    results = (ood_result(ood, id_scores, scorer.score_samples(ood.x)) for ood in split.validation_ood)
    return float(np.mean([result.aupr_id for result in results]))
