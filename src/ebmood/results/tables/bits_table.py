"""Table: bits per dimension of flows on images."""

from collections.abc import Sequence

import numpy as np

from ebmood.results.arms import Arm
from ebmood.results.tables.table import DATA, RECIPE, Column, Spread, Table
from ebmood.results.text import gamma_text, joined


def bits_table(arms: Sequence[Arm]) -> Table | None:
    """Return the bits per dimension of every flow on images; None if no record contains them."""
    rows = []
    for arm in arms:
        bits = [record.bits_per_dim for record in arm.done.values() if record.bits_per_dim is not None]
        if bits:
            recipe = (arm.condition.label, arm.name, gamma_text(arm.gamma), arm.variant)
            marks = joined(arm.marks_on("low-level"))
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
        "Bits per dimension of dequantized ID test images, at the size of the study. Lower is better; bytes without "
        "a model take 8. Values for other image sizes are not comparable.",
    )
    return Table("bits", "Bits per dimension of ID test images", columns, tuple(rows), notes)
