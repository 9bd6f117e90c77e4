"""Decide whether values that are neither numbers nor dates are categories, an id, or free text."""

from collections.abc import Collection

import pyarrow

from ebmood.detector.cells.arrow import compute
from ebmood.detector.cells.cell_values import read_categories
from ebmood.detector.io.column_names import format_option
from ebmood.detector.preparation.columns import CategoryColumn
from ebmood.detector.preparation.decision import Decision, join_reasons

UNSEEN = 0.05
"""Expected share of new rows whose value no training row has, from which a column is left out.

Normal rows with a new value hide other faults. A wrong category in another column was found with an AUROC of 1.00
without a column of uninformative names, and of 0.99, 0.97 and 0.93 with one in which 1, 5 and 13 % of the names occur
once. Names on which another column depends raised the AUROC by 0.15, 0.08 and 0.03 (`benchmarks/rare_names.py`).
"""

ID_SHARE = 0.2
"""Share of values that occur once, from which a column is an id."""

FREE_TEXT = "free text"
"""The kind of a column of free text."""

FREE_TEXT_WORDS = 3
"""Mean number of words from which values that rarely repeat are free text."""


def decide_categories(
    name: str, cells: pyarrow.Array, missing: Collection[str], reason: str = ""
) -> Decision:
    """Return the decision about a column that holds categories, ids, or free text.

    The share of values that occur once estimates the probability that the next row has a value that no training row
    has (Good 1953). If this probability is high, a new value is no evidence of an anomaly.

    Args:
        name: name of the column.
        cells: `(N,)` text, numbers or booleans.
        missing: further words for missing values.
        reason: why the cells are not numbers, in words.
    """
    categories = read_categories(cells, missing).values.drop_null()
    levels, counts = categories.value_counts().flatten()
    rows = len(categories)
    if not rows:
        return Decision.leave_out(name, "empty", "has no values", constant="")
    if len(levels) == 1 and rows == len(cells):
        value = levels[0].as_py()
        return Decision.leave_out(name, "constant", f"always {value[:40]!r}", constant=value)
    once = compute.sum(compute.equal(counts, 1)).as_py()
    is_certain = once - once**0.5 > UNSEEN * rows  # by one standard error
    if len(levels) > 2 and (is_certain or once / rows > ID_SHARE):
        words = compute.list_value_length(compute.utf8_split_whitespace(levels))
        share = "every row has another text" if once == rows else f"{once / rows:.0%} of the texts occur once"
        if compute.mean(words).as_py() >= FREE_TEXT_WORDS:
            return Decision.leave_out(name, FREE_TEXT, share)
        if once / rows > ID_SHARE:
            return Decision.leave_out(name, "id", share)
        hint = f"{format_option('--category', name)} reads it"
        return Decision.leave_out(name, "rare names", f"{share}; {hint}")
    description = f"{len(levels)} levels" if len(levels) != 1 else f"{levels[0].as_py()[:40]!r} or empty"
    return Decision(CategoryColumn(name=name), "category", "category", join_reasons(reason, description))
