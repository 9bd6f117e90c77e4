"""The weight gamma of the cross-entropy: what it does to scores, and to the density far from the data."""

from collections.abc import Sequence

import numpy as np

from ebmood.results.arms import POLARITIES, Arm, conditions_of
from ebmood.results.conditions import mark_list
from ebmood.results.findings import VARIANTS, contrast, in_view, views_of
from ebmood.results.table import DATA, PAIRS, POSITIVE, RECIPE, Column, Spread, Table, gamma_text, joined


def gamma_table(arms: Sequence[Arm]) -> Table:
    """The weight of the cross-entropy: scores, and the density far from the data, over the smallest."""
    columns = (
        DATA,
        *RECIPE,
        POSITIVE,
        Column("natural", "natural AUC-PR", "spread"),
        Column("natural_change", "over smallest γ, %", "change"),
        Column("nonnatural", "non-natural AUC-PR", "spread"),
        Column("nonnatural_change", "over smallest γ, %", "change"),
        Column("far", "log-density far away", "spread", digits=2),
        *PAIRS,
    )
    rows = []
    for grid in gamma_grids(arms):
        smallest = next(arm for arm in grid if arm.gamma is not None)
        for arm in grid:
            for polarity, positive in POLARITIES.items():
                against = contrast([arm], [smallest], "natural", "not run")
                beside = contrast([arm], [smallest], "non-natural", "not run")
                same = arm is smallest
                rays = [record.rays.median[-1] for record in arm.done.values() if record.rays]
                blank = None if arm.done else "failed"
                rows.append(
                    (
                        arm.condition.label,
                        arm.name,
                        gamma_text(arm.gamma),
                        arm.variant,
                        positive,
                        Spread.of(arm.values("natural", polarity)) or blank,
                        None if same else against[polarity],
                        Spread.of(arm.values("non-natural", polarity)) or blank,
                        None if same else beside[polarity],
                        Spread.of(np.array(rays)),
                        len(arm.done) if same else len(beside[polarity].seeds),
                        joined(arm.marks if same else mark_list(arm.marks, beside.marks)),
                    )
                )
    notes: tuple[str, ...] = (
        "Log-density far away: median over rays at their far end, less the value at their start; its scale "
        "is the model's own, so compare it within one method.",
    )
    if not rows:
        notes = ("No recipe was run with more than one γ, so there is nothing to compare here.",)
    return Table("gamma", "The weight γ of the cross-entropy", columns, tuple(rows), notes)


def gamma_grids(arms: Sequence[Arm]) -> list[list[Arm]]:
    """Arms that differ in gamma alone, unsupervised first, where there are two weights or more."""
    grids = []
    for view in views_of(arms):
        here = [arm for arm in in_view(arms, view) if arm.family == "energy"]
        for condition in conditions_of(here):
            for look in dict.fromkeys((arm.method, arm.form) for arm in here):
                for variant in VARIANTS:
                    for shortened in (False, True):
                        grid = [
                            arm
                            for arm in here
                            if (arm.condition, arm.shortened) == (condition, shortened)
                            and (arm.method, arm.form) == look
                            and arm.variant in (variant, "both")
                        ]
                        weights = {arm.gamma for arm in grid} - {None}
                        if len(weights) > 1 and grid not in grids:
                            grids.append(grid)
    return grids
