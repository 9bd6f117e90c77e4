"""A test martingale that bets on a change at any row: evidence against exchangeability of reference and feed.

The change may be at any row t = 1, 2, ... with prior weight w_t, and every bet k of `ebmood.monitoring.bets` has the
share 1 / K. Money that waits for a change at t is not bet before t, so the wealth after n rows is

    M_n = sum_{t <= n} w_t (1 / K) sum_k prod_{i=t..n} f_k(p_i)  +  sum_{t > n} w_t

The sum over t <= n of one bet follows the recursion S_n = (S_(n-1) + w_n / K) f_k(p_n), so a row costs O(K). M_0 = 1,
and if the p-values are independent and uniform, M is a martingale. By Ville's inequality the probability that it ever
reaches 1 / delta is then at most delta. A martingale that bets from the first row on loses money before the change and
must first earn it back (Volkhonskiy et al. 2017, "Inductive conformal martingales for change-point detection"). This
one never falls below the weight of later changes: sum_{t > n} w_t = 1 / (1 + log(1 + n / 1000)).

Several streams of p-values, such as those of the score and of each feature, get shares v_s with sum 1. An alarm is
given when v_s M_s reaches 1 / delta for any stream s. The probability of a false alarm is at most sum_s v_s delta. This
is a union bound, because a mean of the M_s is no martingale: each is one for its own past only.
"""

import math

import numpy as np
from numpy.typing import NDArray

from ebmood.monitoring.bets import BETS

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SCALE = 1000.0
"""Rows after which the weights of changes become smaller: w_t is nearly constant before."""


def log_later(rows: Integers) -> Floats:
    """Return the logarithm of the weight of all changes after so many rows: `(N,)` to `(N,)`."""
    return -np.log1p(np.log1p(rows / SCALE))


def log_weight(row: Integers) -> Floats:
    """Return the logarithm of w_t, the weight of a change at row t = 1, 2, ...: `(N,)` to `(N,)`."""
    before, after = log_later(row - 1), log_later(row)
    return before + np.log(-np.expm1(after - before))


class ChangeMartingale:
    """The wealth of S streams, and for each bet the most likely row of the change.

    Args:
        streams: S.
        bets: K.

    Attributes:
        rows: number of rows so far.
        log_wealth: `(S, K)`, log S_n of every bet.
        log_ratio: `(S, K)`, largest log prod_{i=t..n} f_k(p_i) over t: the CUSUM statistic of Page (1954).
        change: `(S, K)`, the t of this largest product, from 0; a row of the feed.
    """

    def __init__(self, streams: int, bets: int = len(BETS)):
        self.rows = 0
        self.log_wealth = np.full((streams, bets), -np.inf)
        self.log_ratio = np.zeros((streams, bets))
        self.change = np.zeros((streams, bets), dtype=np.int64)

    def update(self, log_factors: Floats) -> tuple[Floats, Integers]:
        """Bet on the next rows.

        Args:
            log_factors: `(N, S, K)`, results of `log_bets`.

        Returns:
            log M after each row, `(N, S)`, and the most likely row of the change as seen from each row, `(N, S)`.
        """
        rows = np.arange(self.rows, self.rows + len(log_factors))
        log_stakes = log_weight(rows + 1) - math.log(self.log_wealth.shape[1])
        wealth = np.empty_like(log_factors)
        changes = np.empty(log_factors.shape[:2], dtype=np.int64)
        streams = np.arange(log_factors.shape[1])
        for i, factors in enumerate(log_factors):
            np.logaddexp(self.log_wealth, log_stakes[i], out=self.log_wealth)
            self.log_wealth += factors
            wealth[i] = self.log_wealth
            begins = self.log_ratio <= 0
            self.change[begins] = rows[i]
            self.log_ratio[begins] = 0
            self.log_ratio += factors
            changes[i] = self.change[streams, self.log_ratio.argmax(1)]
        self.rows += len(log_factors)
        return np.logaddexp(log_sum(wealth), log_later(rows + 1)[:, None]), changes


def log_shares(features: int) -> Floats:
    """Return log v_s of the score and of so many features, `(1 + features,)`: half for the score, the rest equally."""
    if not features:
        return np.zeros(1)
    return np.log(np.append(0.5, np.full(features, 0.5 / features)))


def log_sum(logarithms: Floats) -> Floats:
    """Return the logarithm of the sum over the last axis. Minus infinity stands for zero."""
    largest = logarithms.max(axis=-1, keepdims=True)
    finite = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(logarithms - finite).sum(axis=-1)) + finite[..., 0]
