"""Decide whether names are categories, an id, or free text."""

from collections.abc import Collection

import pyarrow

from ebmood.detector.io.arrow import compute
from ebmood.detector.io.cell_values import read_categories
from ebmood.detector.io.column_names import format_option
from ebmood.detector.preparation.columns import CategoryColumn
from ebmood.detector.preparation.decision import Decision

UNSEEN = 0.05
"""Expected share of new rows whose value no training row has, from which names are left out.

Normal rows with a name never seen hide other faults. A wrong category in another column was found with an AUROC of
1.00 without a column of names that say nothing, and of 0.98, 0.90 and 0.84 with one in which 1, 5 and 13 % of the names
occur once. Names on which another column depends raised the AUROC by 0.15, 0.08 and 0.03 (`benchmarks/rare_names.py`).
"""

ID_SHARE = 0.2
"""Share of names that occur once, from which they are called an id."""

FREE_TEXT = "free text"
"""The kind of a column of prose."""

FREE_TEXT_WORDS = 3
"""Mean number of words from which names that hardly repeat are free text."""


def decide_names(name: str, cells: pyarrow.Array, missing: Collection[str], reason: str = "") -> Decision:
    """Return the decision about a column whose cells are names: categories, ids, or free text.

    The share of names that occur once estimates the probability that the next row has a name never seen before (Good
    1953). If that is often, an unseen name says nothing.

    Args:
        name: name of the column.
        cells: `(N,)` text, numbers or booleans.
        missing: further words for missing values.
        reason: why the cells are not numbers, in words.
    """
    names = read_categories(cells, missing).values
    counts = names.drop_null().value_counts()
    levels, numbers = counts.field("values"), counts.field("counts").to_numpy()
    rows = int(numbers.sum())
    if not rows:
        return Decision.leave_out(name, "empty", "has no values", constant="")
    if len(levels) == 1 and rows == len(cells):
        value = levels[0].as_py()
        return Decision.leave_out(name, "constant", f"always {value[:40]!r}", constant=value)
    once = int((numbers == 1).sum())
    is_certain = once - once**0.5 > UNSEEN * rows  # by one standard error
    if len(levels) > 2 and (is_certain or once / rows > ID_SHARE):
        words = compute.list_value_length(compute.utf8_split_whitespace(levels))
        is_prose = compute.mean(words).as_py() >= FREE_TEXT_WORDS
        share = "every row has another text" if once == rows else f"{once / rows:.0%} of the texts occur once"
        if is_prose:
            return Decision.leave_out(name, FREE_TEXT, share)
        if once / rows > ID_SHARE:
            return Decision.leave_out(name, "id", share)
        hint = f"{format_option('--category', name)} reads it"
        return Decision.leave_out(name, "rare names", f"{share}; {hint}")
    description = f"{len(levels)} levels" if len(levels) != 1 else f"{levels[0].as_py()[:40]!r} or empty"
    return Decision(
        CategoryColumn(name=name), "category", "category", ", ".join(filter(None, [reason, description]))
    )
