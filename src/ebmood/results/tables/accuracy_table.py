"""Table: classification accuracy of the models that know classes."""

from collections.abc import Sequence

import numpy as np

from ebmood.results.arms import Arm
from ebmood.results.tables.table import DATA, RECIPE, Column, Spread, Table
from ebmood.results.text import gamma_text, joined


def accuracy_table(arms: Sequence[Arm]) -> Table | None:
    """Return the accuracy of every classifier and of every model with labels; None if no record contains one."""
    rows = []
    for arm in arms:
        values = [record.accuracy for record in arm.done.values() if record.accuracy is not None]
        if values:
            recipe = (arm.condition.label, arm.name, gamma_text(arm.gamma), arm.variant)
            rows.append(
                (*recipe, Spread.of(np.array(values)), len(values), joined(arm.marks_on("low-level")))
            )
    if not rows:
        return None
    columns = (
        DATA,
        *RECIPE,
        Column("accuracy", "accuracy", "spread"),
        Column("seeds", "seeds"),
        Column("marks", "marks"),
    )
    notes = ("Accuracy: fraction of the ID test rows whose class the model predicts.",)
    return Table(
        "accuracy", "Classification accuracy of the models that know classes", columns, tuple(rows), notes
    )
