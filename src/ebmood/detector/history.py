"""The history of a detector: the calls that fitted, recalibrated or extended it."""

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Literal, Self

from pydantic import Field

from ebmood.core.settings import Settings


class Event(Settings):
    """A call that changed a detector.

    Attributes:
        what: the method.
        rows: number of rows that it received.
        calibration_rows: number of calibration rows of the detector after it.
        threshold: `offset_` after it; None if no row could be flagged.
        time: UTC, as `2026-11-30T12:00:00+00:00`.
        seed: the seed of the detector.
        ebmood: version of this library.
    """

    what: Literal["fit", "recalibrate", "partial_fit"]
    rows: int = Field(ge=1)
    calibration_rows: int = Field(ge=1)
    threshold: float | None
    time: str
    seed: int
    ebmood: str

    @classmethod
    def now(
        cls,
        what: Literal["fit", "recalibrate", "partial_fit"],
        rows: int,
        calibration_rows: int,
        threshold: float,
        seed: int,
    ) -> Self:
        """Return an event at this time, of this version. The arguments are attributes."""
        return cls(
            what=what,
            rows=rows,
            calibration_rows=calibration_rows,
            threshold=threshold if abs(threshold) < float("inf") else None,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            seed=seed,
            ebmood=version("ebmood"),
        )
