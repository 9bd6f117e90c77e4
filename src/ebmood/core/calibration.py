"""From scores to error rates: split-conformal p-values, the offset of a level, and false discoveries.

Let `s_1 <= ... <= s_n` be the scores of n rows that took no part in fitting, and s the score of a new row;
higher is more in-distribution. If the n + 1 rows are exchangeable, then

    p(s) = (1 + #{i: s_i <= s}) / (1 + n)

is super-uniform, P(p <= alpha) <= alpha for every alpha, whatever the score (Vovk, Gammerman & Shafer 2005),
and without ties the row is flagged at level alpha with probability exactly floor(alpha (n + 1)) / (n + 1).
P-values of several new rows share the calibration rows and are positively dependent, under which Benjamini and
Hochberg's procedure still controls the false discovery rate (Bates et al. 2023, "Testing for outliers with
conformal p-values").

Pure NumPy: nothing here knows a model.
"""

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ebmood.core.errors import InputError

Floats = NDArray[np.float64]


def allowed_alarms(alpha: float, rows: int) -> int:
    """`floor(alpha (n + 1))` for n calibration `rows`: of n + 1 exchangeable rows, how many may be flagged.

    Exact in the decimal number that was written: 0.29 x 100 is 29, which it is not in binary.

    Raises:
        InputError: alpha is not between 0 and 1.
    """
    return math.floor(_level(alpha) * (rows + 1))


def false_alarm_rate(alpha: float, rows: int) -> float:
    """How often rows like the training rows are flagged, on average: `floor(alpha (n + 1)) / (n + 1)`."""
    return allowed_alarms(alpha, rows) / (rows + 1)


def rows_needed(alpha: float) -> int:
    """The smallest number of calibration rows with which anything can be flagged at level `alpha`."""
    return math.ceil(1 / _level(alpha)) - 1


def offset(calibration: Floats, alpha: float) -> float:
    """The score below which a row is flagged at level `alpha`; minus infinity where no row can be.

    It is the floor(alpha (n + 1))-th smallest calibration score, and `score < offset` says the same as
    `p_value <= alpha`.

    Args:
        calibration: `(n,)` scores, ascending.
        alpha: the level, between 0 and 1.
    """
    alarms = allowed_alarms(alpha, len(calibration))
    return float(calibration[alarms - 1]) if alarms else -math.inf


def p_values(scores: Floats, calibration: Floats) -> Floats:
    """`(1 + #{calibration <= score}) / (1 + n)`: `(N,) -> (N,)`, in (0, 1]; small is unlike the training rows.

    Args:
        scores: `(N,)`.
        calibration: `(n,)` scores, ascending. With none, every p-value is 1.
    """
    below = np.searchsorted(calibration, scores, side="right")
    return np.asarray((1.0 + below) / (1.0 + len(calibration)), dtype=np.float64)


def benjamini_hochberg(p: Floats, fdr: float) -> NDArray[np.bool_]:
    """Which rows to call out-of-distribution so that at most a share `fdr` of those is expected to be wrong.

    Args:
        p: `(N,)` p-values of the rows looked at together.
        fdr: the false discovery rate, between 0 and 1.

    Returns:
        `(N,)` booleans.

    Raises:
        InputError: fdr is not between 0 and 1.
    """
    from scipy.stats import false_discovery_control  # late: scipy.stats takes half a second to load

    level = float(_level(fdr, "fdr"))
    if not len(p):
        return np.zeros(0, dtype=bool)
    # p m / i = fdr holds often with p a ratio of whole numbers, and must not hang on the last bit
    return false_discovery_control(p, method="bh") <= level * (1 + 1e-12)


def _level(value: float, name: str = "alpha") -> Fraction:
    try:
        level = Fraction(repr(float(value)))
    except (TypeError, ValueError):  # no number, nan, infinity
        level = Fraction(0)
    if not 0 < level < 1:
        raise InputError(f"{name}={value!r}: must be a number above 0 and below 1")
    return level
