"""Conformal calibration: p-values, thresholds with a false-alarm rate, and false discovery rates.

Let `s_1 <= ... <= s_n` be the scores of n calibration rows that were not used for fitting, and `s` the score of a new
row. Higher scores mean more in-distribution. If the n + 1 rows are exchangeable, the p-value

    p(s) = (1 + #{i: s_i <= s}) / (1 + n)

satisfies P(p <= alpha) <= alpha for every alpha and every score function (Vovk, Gammerman & Shafer 2005). Without ties,
a row is flagged at level alpha with probability exactly floor(alpha (n + 1)) / (n + 1). The p-values of several new
rows use the same calibration rows and are therefore positively dependent. The procedure of Benjamini and Hochberg
controls the false discovery rate under this dependence (Bates et al. 2023, "Testing for outliers with conformal
p-values").

If the density of new rows is known to be `w(x)` times that of calibration rows (covariate shift), the weighted p-value

    p(s) = (w + sum of w_i over s_i <= s) / (w + sum of w_i),    w = w(x) and w_i = w(x_i)

satisfies the same inequality (Tibshirani, Barber, Candes & Ramdas 2019, "Conformal prediction under covariate shift").
The weights may be multiplied by any constant. With equal weights it is the p-value above.

This module uses NumPy and SciPy only, and does not depend on any model.
"""

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ebmood.core.errors import InputError

Floats = NDArray[np.float64]


def allowed_alarms(alpha: float, rows: int) -> int:
    """Return `floor(alpha (n + 1))`: the largest number of n + 1 exchangeable rows that may be flagged at level alpha.

    It is the largest k for which the p-value `k / (n + 1)` is at most `alpha` as float64, so flags and p-values agree
    for every alpha: 0.29 is 29 of 100 rows, and 1 / 3 is 1 of 3, although both are rounded.

    Args:
        alpha: the level, between 0 and 1.
        rows: number n of calibration rows.

    Raises:
        InputError: `alpha` is not between 0 and 1.

    >>> allowed_alarms(0.29, 99)  # 0.29 * 100 is 28.999999999999996 in binary arithmetic
    29
    >>> allowed_alarms(1 / 3, 2)
    1
    """
    alarms = math.floor(_level(alpha) * (rows + 1))
    return alarms + ((alarms + 1) / (rows + 1) <= float(alpha))


def false_alarm_rate(alpha: float, rows: int) -> float:
    """Return the probability that an in-distribution row is flagged: `floor(alpha (n + 1)) / (n + 1)`.

    >>> false_alarm_rate(0.05, rows=99)
    0.05
    """
    return allowed_alarms(alpha, rows) / (rows + 1)


def rows_needed(alpha: float) -> int:
    """Return the smallest number of calibration rows with which a row can be flagged at level `alpha`.

    >>> rows_needed(0.05)
    19
    """
    rows = math.ceil(1 / _level(alpha)) - 1
    return rows - (rows > 0 and allowed_alarms(alpha, rows - 1) > 0)


def offset(calibration: Floats, alpha: float) -> float:
    """Return the threshold below which a score is flagged at level `alpha`.

    It is the calibration score number floor(alpha (n + 1)) in ascending order, so that `score < offset` is equivalent
    to `p_value <= alpha`. It is minus infinity if there are fewer than `rows_needed(alpha)` calibration rows.

    Args:
        calibration: `(n,)` scores, ascending.
        alpha: the level, between 0 and 1.
    """
    alarms = allowed_alarms(alpha, len(calibration))
    return float(calibration[alarms - 1]) if alarms else -math.inf


def p_values(scores: Floats, calibration: Floats) -> Floats:
    """Return conformal p-values `(1 + #{calibration <= score}) / (1 + n)`: `(N,) -> (N,)`, in (0, 1].

    Small values mean that the row differs from the training rows.

    Args:
        scores: `(N,)` scores of new rows.
        calibration: `(n,)` scores, ascending. If it is empty, every p-value is 1.

    >>> p_values(np.array([0.5, 9.0]), calibration=np.array([1.0, 2.0, 3.0]))
    array([0.25, 1.  ])
    """
    below = np.searchsorted(calibration, scores, side="right")
    return np.asarray((1.0 + below) / (1.0 + len(calibration)), dtype=np.float64)


ROUNDING = 1e-12
"""Sums of weights that differ by less than this fraction are equal."""


def weighted_p_values(
    scores: Floats, weights: Floats, calibration: Floats, calibration_weights: Floats
) -> Floats:
    """Return weighted conformal p-values for a known covariate shift: `(N,) -> (N,)`, in (0, 1].

    Args:
        scores: `(N,)` scores of new rows.
        weights: `(N,)` positive weights of new rows.
        calibration: `(n,)` scores, ascending.
        calibration_weights: `(n,)` weights of the calibration rows, in the same unit.

    >>> weighted_p_values(np.array([1.5]), np.array([2.0]), np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    array([0.5])
    """
    sums = np.concatenate([[0.0], np.cumsum(calibration_weights)])
    below = sums[np.searchsorted(calibration, scores, side="right")]
    return np.asarray((below + weights) / (sums[-1] + weights), dtype=np.float64)


def weighted_offsets(
    weights: Floats, calibration: Floats, calibration_weights: Floats, alpha: float
) -> Floats:
    """Return the threshold of each row, below which its weighted p-value is at most `alpha`: `(N,) -> (N,)`.

    It is minus infinity if the weight of the row alone is more than the fraction `alpha` of all weights. The arguments
    are those of `weighted_p_values`.
    """
    level, sums = float(_level(alpha)), np.concatenate([[0.0], np.cumsum(calibration_weights)])
    total = sums[-1] + weights
    allowed = level * total * (1 + ROUNDING) - weights
    passed = np.searchsorted(sums, allowed + ROUNDING * total, side="right") - 1
    thresholds = np.append(calibration, np.inf)[np.maximum(passed, 0)]
    return np.where(passed < 0, -np.inf, thresholds)


def benjamini_hochberg(p: Floats, fdr: float) -> NDArray[np.bool_]:
    """Return which rows to flag so that the expected fraction of false alarms among them is at most `fdr`.

    Args:
        p: `(N,)` p-values of rows that are tested together.
        fdr: the false discovery rate, between 0 and 1.

    Returns:
        `(N,)` booleans.

    Raises:
        InputError: `fdr` is not between 0 and 1.

    >>> benjamini_hochberg(np.array([0.01, 0.02, 0.9]), fdr=0.05)
    array([ True,  True, False])
    """
    from scipy.stats import false_discovery_control  # imported here because it takes half a second

    level = float(_level(fdr, "fdr"))
    if not len(p):
        return np.zeros(0, dtype=bool)
    # Conformal p-values are ratios of integers, so p * m / i == fdr is common and must not depend on rounding.
    return false_discovery_control(p, method="bh") <= level * (1 + 1e-12)


def _level(value: float, name: str = "alpha") -> Fraction:
    try:
        level = Fraction(repr(float(value)))
    except (TypeError, ValueError):  # not a number, NaN or infinity
        level = Fraction(0)
    if isinstance(value, str) or not 0 < level < 1:
        raise InputError(f"{name}={value!r}: must be a number above 0 and below 1")
    return level
