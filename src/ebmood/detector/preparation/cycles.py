"""Dates as what repeats: the hour of the day, the day of the week, the month of the year.

A cycle of phase `u` in [0, 1) becomes the two features `sin 2 pi u` and `cos 2 pi u`, so that its end meets its
beginning. The year never repeats and is not a feature.
"""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ebmood.detector.io.dates import Times

DAY = np.timedelta64(86_400_000_000, "us")


class Cycle(StrEnum):
    """A cycle of the calendar."""

    HOUR = "hour"
    WEEKDAY = "weekday"
    MONTH = "month"
    QUARTER = "quarter"

    @property
    def steps(self) -> int:
        """Number of hours, days, months or quarters of the cycle."""
        return {"hour": 24, "weekday": 7, "month": 12, "quarter": 4}[self.value]

    def phase(self, times: Times) -> NDArray[np.float64]:
        """Return where in the cycle times lie: `(N,)` to `(N,)`, in [0, 1); NaN for missing times.

        >>> Cycle.HOUR.phase(np.array(["2020-01-01T18:00", "NaT"], "datetime64[us]"))
        array([0.75,  nan])
        """
        days = times.astype("datetime64[D]")
        if self == Cycle.HOUR:
            return (times - days) / DAY  # pyright: ignore[reportOperatorIssue]  # timedelta64 divides by timedelta64
        missing = np.isnat(times)
        if self == Cycle.WEEKDAY:
            weekday = (days.astype(np.int64) + 3) % 7  # 1 January 1970 was a Thursday; Monday is 0
            return np.where(missing, np.nan, weekday / 7)
        months = times.astype("datetime64[M]")
        start, end = months.astype("datetime64[D]"), (months + 1).astype("datetime64[D]")
        within = (days - start) / (end - start)
        return np.where(missing, np.nan, (months.astype(np.int64) % 12 + within) / 12)

    def is_whole(self, times: Times) -> bool:
        """Return whether all hours, days, months or quarters of the cycle occur."""
        phases = self.phase(times[~np.isnat(times)])
        return len(np.unique(np.floor(phases * self.steps + 1e-9))) == self.steps

    def features(self, times: Times) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return sine and cosine of the phase, each `(N,)`."""
        angle = 2 * np.pi * self.phase(times)
        return np.sin(angle), np.cos(angle)
