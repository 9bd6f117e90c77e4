"""Strata of a feed: the hour and the weekday of its rows, if a detector reads them as cycles of dates.

The score of such a detector depends on the clock, and a feed visits the clock in order, so its scores are not
exchangeable with those of calibration rows of all hours. Within one hour of one weekday they are. Each row is therefore
ranked among rows of its own stratum: if the rows of every stratum are exchangeable, the p-values of all rows are
independent and uniform (Vovk, Lindsay, Nouretdinov & Gammerman 2003, "Mondrian confidence machine").

The phase within a month or a quarter also changes within its step, slowly, so their steps are no strata.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ebmood.core.interface import for_interface
from ebmood.core.settings import Settings
from ebmood.detector.preparation import Preparation
from ebmood.detector.preparation.columns import DateColumn
from ebmood.detector.preparation.cycles import Cycle

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class CycleFeatures(Settings):
    """The two features of one cycle of dates.

    Attributes:
        sine: name of the feature.
        cosine: name of the feature.
        cycle: the cycle.
    """

    sine: str
    cosine: str
    cycle: Cycle

    @property
    def steps(self) -> int:
        """The number of strata: hours of a day or days of a week; 1 for cycles whose steps are no strata."""
        return self.cycle.steps if self.cycle in (Cycle.HOUR, Cycle.WEEKDAY) else 1


def cycles_of(preparation: Preparation | None) -> tuple[CycleFeatures, ...]:
    """Return the cycles of dates that a detector of tables reads."""
    dates = (
        [column for column in preparation.columns if isinstance(column, DateColumn)] if preparation else []
    )
    return tuple(
        CycleFeatures(sine=sine, cosine=cosine, cycle=cycle)
        for column in dates
        for sine, cosine, cycle in zip(
            column.features[::2], column.features[1::2], column.cycles, strict=True
        )
    )


class Strata:
    """The strata of rows.

    Args:
        cycles: their steps are the strata.
        features: the names of the features of rows.

    Attributes:
        count: the number of strata; 1 without cycles. Rows without a time are one stratum.
    """

    def __init__(self, cycles: Sequence[CycleFeatures], features: Sequence[str]):
        self._cycles = [
            (features.index(cycle.sine), features.index(cycle.cosine), cycle.steps)
            for cycle in cycles
            if cycle.steps > 1
        ]
        self.count = int(np.prod([steps for *_, steps in self._cycles])) + 1 if self._cycles else 1

    def of(self, values: Floats | None, rows: int) -> Integers:
        """Return the stratum of each row: `(N,)`, from 0.

        Args:
            values: `(N, D)` rows; not needed without cycles.
            rows: N.
        """
        strata = np.zeros(rows, dtype=np.int64)
        if not self._cycles:
            return strata
        assert values is not None
        missing = np.zeros(rows, dtype=bool)
        for sine, cosine, steps in self._cycles:
            angle = np.arctan2(values[:, sine], values[:, cosine])
            missing |= np.isnan(angle)
            # 1e-5 of an hour is 0.04 seconds, and more than the rounding of sine and cosine in float32.
            step = np.floor(np.nan_to_num(angle) / (2 * np.pi) * steps + 1e-5).astype(np.int64)
            strata = strata * steps + step % steps
        return np.where(missing, self.count - 1, strata)


def why_no_bound(unwatched: Sequence[str], cycles: Sequence[CycleFeatures], rows: Floats | None) -> str:
    """Return why the probability of a false alarm has no bound; empty if it has one.

    Args:
        unwatched: features that change with time by nature.
        cycles: the cycles of dates among them.
        rows: calibration rows that the detector holds, or None.
    """
    cause = "so its scores are not exchangeable with those of calibration rows"
    remedy = for_interface("--drop", "X.drop(columns=...)")
    ranked = {name for cycle in cycles if cycle.steps > 1 for name in (cycle.sine, cycle.cosine)}
    others = [name for name in unwatched if name not in ranked]
    if others:
        return (
            f"the score depends on {others[0]!r}, which changes with time by nature, {cause}; for a bound, fit without "
            f"this column ({remedy})"
        )
    if ranked and rows is None:
        return (
            f"the score depends on cycles of dates, and the detector holds no calibration rows of each hour, {cause}; "
            f"for a bound, fit without the column of dates ({remedy}), or with memory='rows'"
        )
    return ""
