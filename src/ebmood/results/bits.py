"""Bits per dimension: how well flows on images have learnt the images themselves, in units that papers share."""

from collections.abc import Sequence

import numpy as np

from ebmood.results.arms import Arm
from ebmood.results.table import DATA, RECIPE, Column, Spread, Table, gamma_text, joined


def bits_table(arms: Sequence[Arm]) -> Table | None:
    """Every flow on images whose records tell its bits per dimension; None where there is none."""
    rows = []
    for arm in arms:
        bits = [record.bits_per_dim for record in arm.done.values() if record.bits_per_dim is not None]
        if bits:
            marks = joined(arm.marks_on("low-level"))
            recipe = (arm.condition.label, arm.name, gamma_text(arm.gamma), arm.variant)
            rows.append((*recipe, Spread.of(np.array(bits)), len(bits), marks))
    if not rows:
        return None
    columns = (
        DATA,
        *RECIPE,
        Column("bits_per_dim", "bits per dimension", "spread", digits=2),
        Column("seeds", "seeds"),
        Column("marks", "marks"),
    )
    notes = (
        "Of dequantize ID test images, in the shape that the study gives them; lower is better, and 8 is what bytes "
        "cost without a model. Numbers of other sizes of image are no measure of these.",
    )
    return Table("bits", "Bits per dimension of ID test images", columns, tuple(rows), notes)
