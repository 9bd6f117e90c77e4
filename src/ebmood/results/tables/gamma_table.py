"""Table: the weight gamma of the cross-entropy, its influence on scores and on the density far from the data."""

from collections.abc import Sequence

import numpy as np

from ebmood.results.arms import POLARITIES, Arm, Polarity
from ebmood.results.effects import contrast, gamma_grids
from ebmood.results.tables.table import DATA, PAIRS, POSITIVE, RECIPE, Cell, Column, Spread, Table
from ebmood.results.text import gamma_text, joined, unique_marks

_COLUMNS = (
    DATA,
    *RECIPE,
    POSITIVE,
    Column("natural", "natural AUC-PR", "spread"),
    Column("natural_change", "over smallest γ, %", "change"),
    Column("nonnatural", "non-natural AUC-PR", "spread"),
    Column("nonnatural_change", "over smallest γ, %", "change"),
    Column("far", "log-density far from the data", "spread", digits=2),
    *PAIRS,
)


def gamma_table(arms: Sequence[Arm]) -> Table:
    """Return scores and the density far from the data for each weight, with changes over the smallest weight."""
    rows = []
    for grid in gamma_grids(arms):
        smallest = next(arm for arm in grid if arm.gamma is not None)
        rows += [_row(arm, smallest, polarity) for arm in grid for polarity in POLARITIES]
    notes: tuple[str, ...] = (
        "Log-density far from the data: median over rays at their end, minus the value at their start. Its scale is "
        "that of the model; compare it only within one method.",
    )
    if not rows:
        notes = ("No recipe was run with more than one γ.",)
    return Table("gamma", "The weight γ of the cross-entropy", _COLUMNS, tuple(rows), notes)


def _row(arm: Arm, smallest: Arm, polarity: Polarity) -> tuple[Cell, ...]:
    natural = contrast([arm], [smallest], "natural", "not run")
    other = contrast([arm], [smallest], "non-natural", "not run")
    same = arm is smallest
    rays = [record.rays.median[-1] for record in arm.done.values() if record.rays]
    missing = None if arm.done else "failed"
    head = (arm.condition.label, arm.name, gamma_text(arm.gamma), arm.variant, POLARITIES[polarity])
    return (
        *head,
        Spread.of_metric(arm.values("natural", polarity)) or missing,
        None if same else natural[polarity],
        Spread.of_metric(arm.values("non-natural", polarity)) or missing,
        None if same else other[polarity],
        Spread.of(np.array(rays)),
        len(arm.done) if same else len(other[polarity].seeds),
        joined(arm.marks if same else unique_marks(arm.marks, other.marks)),
    )
