"""Tables of scores: means over the kinds of out-of-distribution sets, and every set by itself."""

from collections.abc import Sequence
from typing import get_args

import numpy as np

from ebmood.data.dataset import Kind
from ebmood.results import poster
from ebmood.results.arms import Arm, Metric, conditions_of
from ebmood.results.conditions import Condition
from ebmood.results.tables.table import DATA, RECIPE, Cell, Column, Spread, Table
from ebmood.results.text import gamma_text, joined, one_line, slug, unique_marks

METRICS: dict[Metric, str] = {
    "aupr_id": "AUC-PR (ID +)",
    "aupr_ood": "AUC-PR (OOD +)",
    "auroc": "AUROC",
    "fpr95": "FPR95",
}
_MEAN_METRICS: tuple[Metric, ...] = ("aupr_id", "aupr_ood", "auroc")
_OVERVIEW_COLUMNS = (
    DATA,
    *RECIPE,
    Column("natural_aupr_id", "natural: AUC-PR (ID +)", "spread"),
    Column("natural_aupr_ood", "AUC-PR (OOD +)", "spread"),
    Column("natural_auroc", "AUROC", "spread"),
    Column("nonnatural_aupr_id", "non-natural: AUC-PR (ID +)", "spread"),
    Column("nonnatural_aupr_ood", "AUC-PR (OOD +)", "spread"),
    Column("nonnatural_auroc", "AUROC", "spread"),
    Column("seconds", "s per cell", "number", digits=0),
    Column("seeds", "seeds"),
    Column("marks", "marks"),
)
_SCORE_COLUMNS = (
    Column("ood", "OOD set"),
    Column("kind", "kind"),
    *RECIPE,
    *(Column(metric, title, "spread") for metric, title in METRICS.items()),
    Column("rows", "rows per side"),
    Column("seeds", "seeds"),
    Column("marks", "marks"),
)


def overview_table(arms: Sequence[Arm]) -> Table:
    """Return means over the natural and over the non-natural sets for every arm."""
    title = "Scores in brief: mean over the natural and over the non-natural OOD sets"
    return Table("overview", title, _OVERVIEW_COLUMNS, tuple(map(_overview_row, arms)), _not_run(arms))


def _overview_row(arm: Arm) -> tuple[Cell, ...]:
    means = [_spread(arm, arm.values(kind, metric)) for kind in poster.KINDS for metric in _MEAN_METRICS]
    seconds = [record.seconds for record in arm.done.values()]
    time = float(np.mean(seconds)) if seconds else None
    return (arm.condition.label, *_recipe_cells(arm), *means, time, len(arm.done), joined(arm.marks))


def score_tables(arms: Sequence[Arm]) -> list[Table]:
    """Return one table per condition with every arm on every out-of-distribution set."""
    return [_score_table(arms, condition) for condition in conditions_of(arms)]


def _score_table(arms: Sequence[Arm], condition: Condition) -> Table:
    members = [arm for arm in arms if arm.condition == condition]
    results = [result for arm in members for record in arm.done.values() for result in record.results]
    kinds = get_args(Kind)
    sets = sorted(dict.fromkeys((r.name, r.kind) for r in results), key=lambda pair: kinds.index(pair[1]))
    rows: list[tuple[Cell, ...]] = [_score_row(arm, name, kind) for name, kind in sets for arm in members]
    if not sets:
        failed: tuple[Cell, ...] = (*("failed" for _ in METRICS), None, 0)
        marks = (joined(arm.marks_on("low-level")) for arm in members)
        rows = [(None, None, *_recipe_cells(a), *failed, m) for a, m in zip(members, marks, strict=True)]
    for name, reason in condition.absent.items():
        absent = ("all", None, None, *("absent" for _ in METRICS), None, None)
        rows.append((name, "natural", *absent, f"absent: {one_line(reason)}"))
    title = f"Scores on {condition.label}: mean ± standard deviation over seeds"
    name = f"scores-{slug(condition.label)}"
    return Table(name, title, _SCORE_COLUMNS, tuple(rows), _not_run(arms, condition))


def _score_row(arm: Arm, name: str, kind: str) -> tuple[Cell, ...]:
    results = [r for record in arm.done.values() for r in record.results if r.name == name]
    spreads = [_spread(arm, np.array([getattr(result, metric) for result in results])) for metric in METRICS]
    marks = unique_marks(
        arm.marks_on("low-level"),  # without marks of other natural sets
        "stand-in" if name in arm.condition.stand_ins else "",
        "not scored on this set" if arm.done and not results else "",
    )
    rows = " / ".join(str(n) for n in sorted({result.rows for result in results}))
    return (name, kind, *_recipe_cells(arm), *spreads, rows, len(results), joined(marks))


def _recipe_cells(arm: Arm) -> tuple[str, str, str]:
    return arm.name, gamma_text(arm.gamma), arm.variant


def _spread(arm: Arm, values: np.ndarray) -> Cell:
    return Spread.of_metric(values) or (None if arm.done else "failed")


def _not_run(arms: Sequence[Arm], only: Condition | None = None) -> tuple[str, ...]:
    """Return one line per condition that lacks recipes which were run on other data sets of the study."""
    labels = dict.fromkeys(arm.label for arm in arms)
    notes = []
    for condition in conditions_of(arms):
        present = {arm.label for arm in arms if arm.condition == condition}
        missing = [label for label in labels if label not in present]
        if missing and only in (None, condition):
            notes.append(f"Run on other data but not on {condition.label}: {'; '.join(missing)}.")
    return tuple(notes)
