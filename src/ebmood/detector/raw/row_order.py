"""Check whether the last rows of a training table look like those before them.

The false-alarm rate holds for rows in random order. In a time series, rows resemble those that were measured just
before and after them. Random calibration rows then lie between training rows, and later rows do not.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import pyarrow
from scipy import stats

from ebmood.core.calibration import allowed_alarms
from ebmood.core.errors import CalibrationWarning, InputError, SelfTestWarning
from ebmood.detector.estimator import EnergyDetector
from ebmood.detector.parameters import FIFTH

MIN_ROWS = 100
"""Tables with fewer rows are not checked."""

MAX_ROWS = 10_000
"""Largest number of rows that are used. Of a larger table, evenly spaced rows are taken."""

LEVEL = 0.05
"""Level of the check."""

CALIBRATION = 0.25
"""Fraction of the first rows for calibration: of `MIN_ROWS` rows, it is enough to flag some at `LEVEL`."""

PROBABILITY = 1e-3
"""The order matters if the number of flags is less probable than this for rows in random order."""

TIMES = 2
"""The order matters only if the flagged fraction is above this multiple of the level."""


@dataclass(frozen=True)
class OrderCheck:
    """How many of the last rows a detector flags that is fitted on the first rows.

    Attributes:
        rows: number of the last rows.
        flagged: fraction of them that is flagged at `LEVEL`.
        probability: probability of so many flags or more if the rows are in random order.
    """

    rows: int
    flagged: float
    probability: float

    @property
    def matters(self) -> bool:
        """Whether the last rows differ from the first ones."""
        return self.flagged > TIMES * LEVEL and self.probability < PROBABILITY


def check_order(rows: pyarrow.Table, seed: int) -> OrderCheck | None:
    """Fit a fast detector on the first rows of a table, and return how many of the last rows it flags.

    For rows in random order, the number of flags has a beta-binomial distribution (Vovk 2012).

    Args:
        rows: features of the training rows, in their order.
        seed: seed of the detector.

    Returns:
        None if there are too few rows, or if the first ones alone cannot be fitted, for example because a column has
        values only later.
    """
    if rows.num_rows < MIN_ROWS:
        return None
    rows = rows.take(np.unique(np.linspace(0, rows.num_rows - 1, MAX_ROWS).round().astype(np.int64)))
    first = rows.num_rows - round(FIFTH * rows.num_rows)
    detector = EnergyDetector(speed="fast", calibration=CALIBRATION, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        warnings.simplefilter("ignore", SelfTestWarning)
        try:
            detector.fit(rows.slice(0, first))
        except InputError:
            return None
        p_values = detector.p_values(rows.slice(first))
    calibration = len(detector.calibration_scores_)
    # A row is flagged if it lies below one of the lowest calibration rows.
    lowest = allowed_alarms(LEVEL, calibration)
    flags = int((p_values <= LEVEL).sum())
    probability = stats.betabinom.sf(flags - 1, len(p_values), lowest, calibration + 1 - lowest)
    return OrderCheck(len(p_values), flags / len(p_values), float(probability))
