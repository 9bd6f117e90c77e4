"""What a column holds, and what is read of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from ebmood.detector.preparation.columns import Column, LeftOut
from ebmood.embedders import EmbedderIdentity


@dataclass(frozen=True)
class Decision:
    """What a column holds, and what is read of it.

    Attributes:
        column: how it is read, or that it is left out.
        kind: what it holds, in words: `number`, `yes/no`, `category`, `date or time`, `id`, ...
        treatment: what the fit does with it, in words.
        reason: why, in words; empty if the kind says it.
        problems: what is wrong with odd cells, by row. A fit refuses them.
    """

    column: Column | LeftOut
    kind: str
    treatment: str
    reason: str = ""
    problems: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def leave_out(cls, name: str, kind: str, reason: str, constant: str | None = None) -> Self:
        """Return the decision not to read a column."""
        left_out = LeftOut(name=name, reason=f"{kind}, {reason}", constant=constant)
        return cls(left_out, kind, "left out", reason)


@dataclass(frozen=True)
class Overrides:
    """Decisions of the user.

    Attributes:
        numbers: names of columns that are read as numbers.
        categories: names of columns that are read as categories.
        dates: names of columns that are read as dates.
        missing: further words for missing values, in lower case.
        texts: names of columns that are embedded.
        embedder: the embedder of texts.
    """

    numbers: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    dates: frozenset[str] = frozenset()
    missing: tuple[str, ...] = ()
    texts: frozenset[str] = frozenset()
    embedder: EmbedderIdentity | None = None


BY_OPTION = "by an option"
"""Reason for a decision of the user."""
