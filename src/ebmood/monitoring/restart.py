"""Repeated alarms with a stated average run length, for feeds that go on after an alarm: Shiryaev-Roberts statistics.

For each stream, R_n = (1 / K) sum_k sum_{t <= n} prod_{i=t..n} f_k(p_i), with the bets f_k of `ebmood.monitoring.bets`.
It follows R_n = (R_(n-1) + 1) f(p_n) for each bet. If the p-values are independent and uniform, R_n - n is a martingale
(Shiryaev 1963; Roberts 1966; for conformal p-values Volkhonskiy et al. 2017). A stream s with share v_s gives an alarm
when R reaches A / v_s, and then starts again at R = 0. Every row adds one to R in expectation, and every alarm takes at
least A / v_s away, so the expected number of alarms of stream s in n rows is at most n v_s / A. Over all streams it is
at most n / A: on average at most one false alarm in A rows, for every n.
"""

import math

import numpy as np
from numpy.typing import NDArray

from ebmood.monitoring.bets import BETS
from ebmood.monitoring.martingale import log_sum

Floats = NDArray[np.float64]


class RestartingAlarm:
    """Shiryaev-Roberts statistics of S streams, each of which starts again after its alarm.

    Args:
        run_length: A, the average number of rows between false alarms, at least.
        log_shares: `(S,)`, log v_s, where the v_s sum to one.

    Attributes:
        log_statistics: `(S, K)`, the logarithm of the sum over t of every bet, divided by K.
    """

    def __init__(self, run_length: float, log_shares: Floats):
        self._log_thresholds = math.log(run_length) - log_shares
        self.log_statistics = np.full((len(log_shares), len(BETS)), -np.inf)

    def update(self, log_factors: Floats) -> NDArray[np.bool_]:
        """Bet on the next rows, and return which streams give an alarm at which row: `(N, S, K)` to `(N, S)`."""
        log_stake = -math.log(len(BETS))
        alarms = np.empty(log_factors.shape[:2], dtype=bool)
        for i, factors in enumerate(log_factors):
            np.logaddexp(self.log_statistics, log_stake, out=self.log_statistics)
            self.log_statistics += factors
            alarms[i] = log_sum(self.log_statistics) >= self._log_thresholds
            if alarms[i].any():
                self.log_statistics[alarms[i]] = -np.inf
        return alarms
