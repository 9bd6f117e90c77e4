"""One cell of a study: a data set, a recipe and a seed, and the pure function from them to a record."""

import platform
import time
import traceback
import warnings
from datetime import UTC, datetime
from functools import lru_cache, partial
from importlib.metadata import version
from typing import Any, Literal

import numpy as np

from ebmood.core.errors import EbmoodError, RollbackWarning
from ebmood.core.metrics import separation
from ebmood.core.settings import Settings, digest
from ebmood.data import AnySource, Dataset, OODSet, Source, Split
from ebmood.models import Scorer
from ebmood.recipes import Recipe
from ebmood.study.evidence import bits, kept_scores, landscape, rays
from ebmood.study.pictures import pictures
from ebmood.study.records import OODResult, Record
from ebmood.training import Checkpoints, DivergedError, Report

LIBRARIES = ("ebmood", "torch", "numpy", "scikit-learn", "zuko", "scipy", "lightning-fabric", "river")


class Cell(Settings):
    """A cell's settings.

    Attributes:
        dataset: where rows come from.
        recipe: what is fitted to them.
        seed: draws the split, the initialisation and the noise.
        selection: `last` scores the last step (or the one that early stopping kept). `paper` keeps the state
            that is best on validation OOD sets drawn from the test OOD families: the leak, by its name.
        device: `auto`, `cpu` or `cuda`; not part of the cell's key.
    """

    dataset: AnySource
    recipe: Recipe
    seed: int
    selection: Literal["last", "paper"] = "last"
    device: Literal["auto", "cpu", "cuda"] = "cpu"


def load(source: Source) -> Dataset:
    """The source's rows; the last few are kept, since a study asks for the same ones again and again."""
    return _load(type(source), source.model_dump_json())


@lru_cache(maxsize=4)
def _load(kind: type[Source], settings: str) -> Dataset:
    return kind.model_validate_json(settings).load()


def cell_key(cell: Cell) -> str:
    """Sixteen digits over all that a cell's numbers depend on: its settings, and the data's content.

    Raises:
        EbmoodError: the data cannot be read.
    """
    # Where the rows lie and how long training was meant to be have no part in the numbers; the content has. What is
    # absent is left out, so that a setting which later versions add, absent by default, changes no key.
    recipe = cell.recipe.model_dump(mode="json", exclude={"shortened", "title"}, exclude_none=True)
    content = load(cell.dataset).digest()
    return digest([content, cell.dataset.duplicates, recipe, cell.seed, cell.selection])


def run_cell(
    cell: Cell, report: Report = lambda progress: None, checkpoints: Checkpoints | None = None
) -> Record:
    """Split, fit, score, and write down.

    A failure of the model (it diverges, its library refuses the data) becomes a record with status `failed`.

    Args:
        cell: what to do.
        report: called now and then while training.
        checkpoints: where training goes on from and keeps its states, or None.

    Raises:
        EbmoodError: the data cannot be read: no cell of this data set could do better.
    """
    key = cell_key(cell)
    dataset = load(cell.dataset)
    started, clock = datetime.now(UTC), time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            outcome = _fit_and_score(cell, dataset, report, checkpoints)
        except Exception as error:  # the reason is kept in the record and stands in every table
            outcome = _failed(_reason(error), error.events if isinstance(error, DivergedError) else ())
    healed, said = [], []
    for warning in caught:
        (healed if issubclass(warning.category, RollbackWarning) else said).append(str(warning.message))
    notes = dict.fromkeys([*dataset.notes, *said])
    # The outcome knows of the model's own training, also before a break; of its embedding's classifier, warnings do.
    known = outcome["events"]
    outcome["events"] = (*(event for event in dict.fromkeys(healed) if event not in known), *known)
    return _record(cell, key, dataset, started, time.perf_counter() - clock, tuple(notes), outcome)


def failed_record(cell: Cell, reason: str) -> Record:
    """The record of a cell that could not tell its end itself: its process died, say."""
    dataset, outcome = load(cell.dataset), _failed(reason)
    return _record(cell, cell_key(cell), dataset, datetime.now(UTC), 0.0, dataset.notes, outcome)


def _failed(reason: str, events: tuple[str, ...] = ()) -> dict[str, Any]:
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
            "small": dataset.small,
            "absent": dataset.absent,
            "stand_ins": dataset.stand_ins,
            "notes": notes,
            # Where a machine keeps its images is no one else's business.
            "settings": cell.model_dump(mode="json", exclude={"dataset": {"data", "cache"}}),
            "versions": versions(),
            "started": started.isoformat(timespec="seconds"),
            "seconds": seconds,
        }
        | outcome
    )


@lru_cache
def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that numbers depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def _fit_and_score(
    cell: Cell, dataset: Dataset, report: Report, checkpoints: Checkpoints | None
) -> dict[str, Any]:
    split = cell.recipe.embed(cell.dataset.split(dataset, cell.seed), cell.seed, cell.device, report)
    leak = cell.selection == "paper" and cell.recipe.training is not None
    select_by = partial(_mean_aupr, split) if leak else None
    fitted = cell.recipe.fit(split, cell.seed, cell.device, report, select_by, checkpoints)
    scorer = fitted.scorer
    scores = {ood.name: scorer.score_samples(ood.x) for ood in split.test_ood}
    id_scores = scorer.score_samples(split.test_x)
    return {
        "status": "done",
        "normalised": scorer.normalised,
        "results": tuple(_result(ood, id_scores, scores[ood.name]) for ood in split.test_ood),
        "rows": {
            "train": len(split.train_x),
            "validation": len(split.validation_x),
            "test": len(split.test_x),
            "duplicates": split.duplicates,
            "crossing": split.crossing,
        },
        "bits_per_dim": bits(scorer, split.test_x, cell.seed),
        "losses": {name: tuple(values) for name, values in fitted.history.items()},
        "events": fitted.events,
        "pictures": pictures(fitted.negatives),
        "scores": kept_scores({"id": id_scores, **scores}),
        "rays": rays(scorer, split.test_x, cell.seed),
        "landscape": landscape(scorer, split.train_x),
    }


def _result(ood: OODSet, id_scores: np.ndarray, ood_scores: np.ndarray) -> OODResult:
    # Both sides are cut to the same number, so that precision has the same base everywhere. Rows are in
    # random order.
    rows = min(len(id_scores), len(ood_scores))
    metrics = separation(id_scores[:rows], ood_scores[:rows])
    return OODResult(
        name=ood.name,
        kind=ood.kind,
        rows=rows,
        aupr_id=metrics.aupr_id,
        aupr_ood=metrics.aupr_ood,
        auroc=metrics.auroc,
        fpr95=metrics.fpr95,
    )


def _mean_aupr(split: Split, scorer: Scorer) -> float:
    """Mean AUC-PR (ID positive) over the validation OOD sets: what the paper selects its checkpoints by."""
    id_scores = scorer.score_samples(split.validation_x)
    return float(
        np.mean(
            [_result(ood, id_scores, scorer.score_samples(ood.x)).aupr_id for ood in split.validation_ood]
        )
    )


def _reason(error: Exception) -> str:
    if isinstance(error, EbmoodError):
        return str(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{type(error).__name__}: {error} ({where.name}, {where.filename.rpartition('/')[2]}:{where.lineno})"
    )
