"""How a table is scored."""

from dataclasses import dataclass

from ebmood.core.errors import InputError
from ebmood.core.interface import for_interface


@dataclass(frozen=True)
class ScoreOptions:
    """How a table is scored.

    Attributes:
        mark_bad_rows: whether a bad row gets no score, and a reason. Else a table with a bad row is refused.
        max_bad: largest fraction of bad rows that are marked. If it is positive, one bad row is always allowed.
        reasons: number of columns that are named for each flagged row.

    Raises:
        InputError: `max_bad` is not a fraction.
    """

    mark_bad_rows: bool = False
    max_bad: float = 0.001
    reasons: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.max_bad <= 1:
            option = for_interface("--max-bad ", "max_bad=")
            raise InputError(f"{option}{self.max_bad:g}: must be a fraction from 0 to 1")


STRICT = ScoreOptions()
"""Refuse bad rows, and give no reasons."""
