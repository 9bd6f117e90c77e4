"""Decide what is read of a column of lists: numbers if all lists have one length, as embeddings do."""

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow
from pyarrow import types

from ebmood.detector.cells.cell_values import decode, read_numbers
from ebmood.detector.cells.vectors import list_lengths, read_vectors
from ebmood.detector.preparation.columns import NumberColumn, VectorColumn
from ebmood.detector.preparation.decision import Decision, join_reasons

LISTED = 5
"""Positions that are listed one by one."""


def decide_lists(name: str, cells: pyarrow.Array, missing: Collection[str]) -> Decision:
    """Return the decision about a column of lists.

    Each position of the lists is a number. The rules for ids, row counters, and yes and no do not apply to it.
    Positions with one value are read, so that the features are those of the same numbers in an array. Positions
    without any value are not.

    Args:
        name: name of the column.
        cells: `(N,)` lists.
        missing: further words for missing values.
    """
    cells = decode(cells)
    lengths = list_lengths(cells)
    lengths = lengths[lengths >= 0]
    if not len(lengths):
        return Decision.leave_out(name, "empty", "has no values", constant="")
    kind = cells.type.value_type
    if not (
        types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind)
    ):
        values = "no values" if types.is_null(kind) else str(kind)
        return Decision.leave_out(name, "list", f"of {values}, and only numbers are read")
    shortest, longest = int(lengths.min()), int(lengths.max())
    if shortest < longest:
        return Decision.leave_out(
            name, "list", f"of {shortest} to {longest} numbers, and only lists of one length are read"
        )
    if not longest:
        return Decision.leave_out(name, "empty", "has no values", constant="")
    vectors = read_vectors(cells, longest, missing)
    # With odd cells, a position may only seem to have no values. A fit refuses them.
    is_empty = np.isnan(vectors.values).all(axis=0) & (not vectors.errors)
    if is_empty.all():
        return Decision.leave_out(name, "empty", "has no values", constant="")
    empty = np.flatnonzero(is_empty).tolist()
    constant = np.flatnonzero((vectors.values == vectors.values[0]).all(axis=0)).tolist()
    column = VectorColumn(name=name, length=longest, empty=tuple(empty))
    reason = join_reasons(
        _describe_positions(empty, "without values, not read"), _describe_positions(constant, "constant")
    )
    return Decision(column, "list", f"{len(column.features)} numbers", reason, vectors.errors)


def decide_array_column(name: str, cells: pyarrow.Array, missing: Collection[str]) -> Decision:
    """Return the decision about a column of an array: a number, unless it has no values.

    Args:
        name: name of the column.
        cells: `(N,)` numbers or booleans.
        missing: further words for missing values.
    """
    numbers = read_numbers(cells, missing=missing)
    if np.isnan(numbers.values).all() and not numbers.errors:
        return Decision.leave_out(name, "empty", "has no values", constant="")
    reason = "constant" if (numbers.values == numbers.values[0]).all() else ""
    return Decision(NumberColumn(name=name), "number", "number", reason, numbers.errors)


def _describe_positions(positions: Sequence[int], kind: str) -> str:
    """Return in words how many positions are of a kind, and the first of them; empty if none is."""
    if not positions:
        return ""
    more = ", ..." if len(positions) > LISTED else ""
    return f"{len(positions)} {kind}: {', '.join(f'[{position}]' for position in positions[:LISTED])}{more}"
