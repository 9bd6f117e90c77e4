"""Table: AUROC of each trained cell beside that of its nudged twin."""

from collections.abc import Iterator, Sequence

import numpy as np

from ebmood.results.arms import NUDGE_LIMIT, Arm
from ebmood.results.tables.table import DATA, RECIPE, Cell, Column, Spread, Table
from ebmood.results.text import gamma_text, joined, unique_marks


def nudge_table(arms: Sequence[Arm]) -> Table:
    """Return one row per arm with nudged twins and OOD set, over the seeds that have a twin."""
    columns = (
        DATA,
        *RECIPE,
        Column("set", "OOD set"),
        Column("auroc", "AUROC", "spread"),
        Column("nudged_auroc", "nudged", "spread"),
        Column("mean_difference", "mean difference", "number"),
        Column("largest_difference", "largest difference", "number"),
        Column("sd", "sd over seeds", "number"),
        Column("outcome", "outcome"),
        Column("pairs", "pairs"),
        Column("marks", "marks"),
    )
    notes = (
        "Nudged: the same cell with one last bit of one weight moved before the training; rows, batches and random "
        "numbers are the same. Differences are absolute differences in AUROC of a cell and its twin, over the seeds "
        "that have one; sd is the standard deviation of AUROC over all seeds that are done.",
        f"Repeatable: the largest difference is at most {NUDGE_LIMIT:g}. Where it is close to the sd over seeds, one "
        "last bit matters as much as another seed.",
    )
    rows = tuple(row for arm in arms if arm.twins for row in _rows(arm))
    return Table("nudge", "Repeatability: what one last bit of one weight changes", columns, rows, notes)


def _rows(arm: Arm) -> Iterator[tuple[Cell, ...]]:
    head = (arm.condition.label, arm.name, gamma_text(arm.gamma), arm.variant)
    if not arm.nudged_pairs:
        yield (*head, None, *["failed"] * 2, None, None, None, None, 0, joined(_marks(arm)))
    for name, by_seed in arm.nudged_pairs.items():
        pairs = np.array(list(by_seed.values()))
        differences = np.abs(pairs[:, 0] - pairs[:, 1])
        spread = Spread.of(_auroc(arm, name))
        yield (
            *head,
            name,
            Spread.of_metric(pairs[:, 0]),
            Spread.of_metric(pairs[:, 1]),
            float(differences.mean()),
            float(differences.max()),
            spread and spread.sd,
            "repeatable" if differences.max() <= NUDGE_LIMIT else "not repeatable",
            len(by_seed),
            joined(_marks(arm)),
        )


def _auroc(arm: Arm, name: str) -> np.ndarray:
    """Return AUROC on one set, for each seed that is done: `(seeds,)`."""
    results = (result for record in arm.done.values() for result in record.results)
    return np.array([result.auroc for result in results if result.name == name])


def _marks(arm: Arm) -> tuple[str, ...]:
    """Return what a reader of the differences must know: degenerate recipes, failed twins, and other versions."""
    failed = [twin for twin in arm.twins.values() if twin.status == "failed"]
    other = any(
        arm.records[seed].versions != twin.versions
        for seed, twin in arm.twins.items()
        if arm.records[seed].status == twin.status == "done"
    )
    return unique_marks(
        [mark for mark in arm.flags if mark in ("degenerate", "shortened")],
        f"{len(failed)} twins failed" if failed else "",
        "other versions" if other else "",
    )
