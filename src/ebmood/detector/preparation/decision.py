"""What a column holds, and what is read of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ebmood.detector.preparation.columns import Column, LeftOut

FEW_ROWS = 20
"""Rows below which nothing is concluded from the order of values, or from values that do not repeat."""

TREND_VALUES = 5
"""Different values that a column must have to be called increasing or decreasing."""


@dataclass(frozen=True)
class Decision:
    """What a column holds, and what is read of it.

    Attributes:
        column: how it is read, or that it is left out.
        kind: what it holds, in words: `number`, `yes/no`, `category`, `date or time`, `id`, ...
        treatment: what the fit does with it, in words.
        reason: why, in words; empty if the kind is reason enough.
        problems: what is wrong with odd cells, by row. A fit refuses them.
        trend: for numbers and times, see `find_trend`; 0 for other columns.
        doubts: what is only a guess or a suspicion, in words that the reason holds as well.
    """

    column: Column | LeftOut
    kind: str
    treatment: str
    reason: str = ""
    problems: Mapping[int, str] = field(default_factory=dict)
    trend: int = 0
    doubts: tuple[str, ...] = ()

    def with_doubt(self, doubt: str) -> Self:
        """Return the decision with a further doubt, also in its reason. An empty doubt is none."""
        if not doubt or doubt in self.doubts:
            return self
        column = self.column
        if isinstance(column, LeftOut):
            column = column.model_copy(update={"reason": join_reasons(column.reason, doubt)})
        return replace(
            self, column=column, reason=join_reasons(self.reason, doubt), doubts=(*self.doubts, doubt)
        )

    @classmethod
    def leave_out(
        cls, name: str, kind: str, reason: str, constant: str | None = None, spellings: Iterable[str] = ()
    ) -> Self:
        """Return the decision not to read a column."""
        left_out = LeftOut(
            name=name, reason=f"{kind}, {reason}", constant=constant, spellings=tuple(spellings)
        )
        return cls(left_out, kind, "left out", reason)


def find_trend(values: NDArray[np.float64]) -> int:
    """Return 1 if values never decrease from row to row, -1 if they never increase, and 0 otherwise or if they are few.

    Args:
        values: `(N,)` numbers without NaN.
    """
    if len(values) < FEW_ROWS or len(np.unique(values)) < TREND_VALUES:
        return 0
    steps = np.diff(values)
    return int((steps >= 0).all()) - int((steps <= 0).all())


BY_OPTION = "by an option"
"""Reason for a decision of the user."""


def join_reasons(*reasons: str) -> str:
    """Return the reasons that are not empty, separated by commas."""
    return ", ".join(filter(None, reasons))
