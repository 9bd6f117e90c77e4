"""Cycles of dates: the hour of the day, the day of the week, the month or quarter of the year.

A phase `u` in [0, 1) becomes the two features `sin 2 pi u` and `cos 2 pi u`, which are continuous from the end of a
cycle to its start. The year does not repeat, so it is not a feature. A cycle that a table contains too few times is not
a feature either: its phase identifies the time of a row, and rows of the same time are similar.
"""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ebmood.detector.cells.dates import Times

DAY = np.timedelta64(86_400_000_000, "us")


PERIODS = 3
"""Mean number of days or weeks in which a step of a cycle must occur.

For rows that depend on each other over a thirtieth of a period, a detector with the cycle flagged 44 % of later normal
rows after one period, 21 % after two and 12 % after three, at alpha 0.05. Without the cycle it flagged 15, 6 and 5 %
(`benchmarks/cycles.py`).
"""

YEARS = 2
"""Mean number of years in which a step of a cycle of a year must occur.

Rows depend on each other over a smaller part of a year. Over a three-hundredth, it flagged 13 % after one year and 5 %
after two; without the cycle 8 and 3 %.
"""


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

    @property
    def least_periods(self) -> int:
        """Mean number of days, weeks or years in which a step must occur."""
        return PERIODS if self in (Cycle.HOUR, Cycle.WEEKDAY) else YEARS

    def phase(self, times: Times) -> NDArray[np.float64]:
        """Return the phases of times: `(N,)` to `(N,)`, in [0, 1); NaN for missing times.

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
        """Return whether each hour, day, month or quarter of the cycle occurs."""
        return len(np.unique(self._step(times[~np.isnat(times)]))) == self.steps

    def repeats(self, times: Times) -> bool:
        """Return whether two steps or more occur, each of them on average in enough periods: `PERIODS` or `YEARS`."""
        times = times[~np.isnat(times)]
        days = times.astype("datetime64[D]").astype(np.int64)
        if self == Cycle.HOUR:
            period = days
        elif self == Cycle.WEEKDAY:
            period = (days + 3) // 7
        else:
            period = times.astype("datetime64[Y]").astype(np.int64)
        steps = self._step(times)
        occur = len(np.unique(steps))
        return occur > 1 and len(np.unique(period * self.steps + steps)) >= self.least_periods * occur

    def _step(self, times: Times) -> NDArray[np.int64]:
        """Return the number of the hour, day, month or quarter in the cycle, from 0; no time may be missing."""
        return np.floor(self.phase(times) * self.steps + 1e-9).astype(np.int64)

    def features(self, times: Times) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return sine and cosine of the phase, each `(N,)`."""
        angle = 2 * np.pi * self.phase(times)
        return np.sin(angle), np.cos(angle)
