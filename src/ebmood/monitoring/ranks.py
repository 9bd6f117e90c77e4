"""Smoothed conformal p-values of a feed: the rank of each row among reference rows and all earlier rows of the feed.

Let `z_1, ..., z_m` be the values of m reference rows and `z_(m+1), ...` those of the feed. Row n has the p-value

    p_n = (#{i < n: z_i < z_n} + u_n (1 + #{i < n: z_i = z_n})) / n,    u_n uniform on (0, 1)

If all rows are exchangeable, the p-values of the feed are independent and uniform on (0, 1), jointly over reference and
feed, for every m (Vovk, Nouretdinov & Gammerman 2003, "Testing exchangeability on-line"). The p-values against the
reference alone have the same reference in common and are therefore dependent.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CHUNK = 256
"""Rows whose ranks among each other are counted by comparing all pairs."""


class RankPool:
    """Values of earlier rows, among which new rows are ranked.

    The values are held in sorted runs whose lengths at least double, so that N rows cost O(N log N) operations. The
    pool holds eight bytes for each row. After `capacity` rows of the feed it is emptied, and the next rows are ranked
    only among each other. The ranks within disjoint blocks of exchangeable rows are independent, so the p-values stay
    independent and uniform.

    Args:
        reference: `(m,)` values of the reference rows; NaN counts as the lowest value.
        capacity: number of rows of the feed after which the pool is emptied.
    """

    def __init__(self, reference: Floats, capacity: int):
        reference = np.sort(_order(reference))
        self._runs: list[Floats] = [reference] if len(reference) else []
        self.capacity = capacity
        self.feed_rows = 0

    def p_values(self, values: Floats, uniforms: Floats) -> Floats:
        """Return the p-values of the next rows, and add the rows to the pool.

        Args:
            values: `(N,)` values of consecutive rows of the feed; NaN counts as the lowest value.
            uniforms: `(N,)` random numbers in (0, 1) that break ties.

        Returns:
            `(N,)` numbers in (0, 1]. They do not depend on how the feed is cut into calls.
        """
        values, result, start = _order(values), np.empty(len(values)), 0
        while start < len(values):
            if self.feed_rows == self.capacity:
                self._runs, self.feed_rows = [], 0
            stop = min(start + CHUNK, start + self.capacity - self.feed_rows, len(values))
            result[start:stop] = self._rank(values[start:stop], uniforms[start:stop])
            start = stop
        return result

    def values(self) -> Floats:
        """Return all values of the pool, ascending."""
        return np.sort(np.concatenate([np.empty(0), *self._runs]))

    @classmethod
    def restore(cls, values: Floats, capacity: int, feed_rows: int) -> "RankPool":
        """Return the pool that has these `values()` and this number of rows of the feed among them."""
        pool = cls(values, capacity)
        pool.feed_rows = feed_rows
        return pool

    def _rank(self, values: Floats, uniforms: Floats) -> Floats:
        earlier = np.tri(len(values), k=-1, dtype=bool)
        less = ((values < values[:, None]) & earlier).sum(1)
        equal = ((values == values[:, None]) & earlier).sum(1)
        for run in self._runs:
            left = np.searchsorted(run, values, side="left")
            less += left
            equal += np.searchsorted(run, values, side="right") - left
        count = sum(map(len, self._runs)) + np.arange(1, len(values) + 1)
        self._add(values)
        return (less + uniforms * (equal + 1)) / count

    def _add(self, values: Floats) -> None:
        run = np.sort(values)
        while self._runs and len(self._runs[-1]) <= len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")  # merges two sorted runs
        self._runs.append(run)
        self.feed_rows += len(values)


class StratifiedPool:
    """One pool for each stratum. A row is ranked among rows of its own stratum.

    Args:
        reference: `(m,)` values of the reference rows.
        strata: `(m,)` their strata.
        count: number of strata.
        capacity: number of rows of the feed in all pools at most; each stratum has an equal share.
    """

    def __init__(self, reference: Floats, strata: Integers, count: int, capacity: int):
        share = max(1, capacity // count)
        self.pools = [RankPool(reference[strata == stratum], share) for stratum in range(count)]

    def p_values(self, values: Floats, uniforms: Floats, strata: Integers) -> Floats:
        """Return the p-values of the next rows `(N,)`, and add the rows to the pools; see `RankPool.p_values`."""
        result = np.empty(len(values))
        for stratum in np.unique(strata):
            rows = strata == stratum
            result[rows] = self.pools[stratum].p_values(values[rows], uniforms[rows])
        return result

    def sizes(self) -> Integers:
        """Return the number of values of each pool, `(count,)`."""
        return np.array([len(pool.values()) for pool in self.pools])

    def values(self) -> Floats:
        """Return the values of all pools, one pool after the other, each in ascending order."""
        return np.concatenate([pool.values() for pool in self.pools])

    def feed_rows(self) -> Integers:
        """Return the number of rows of the feed in each pool, `(count,)`."""
        return np.array([pool.feed_rows for pool in self.pools])

    def restore(self, values: Floats, sizes: Integers, feed_rows: Integers) -> None:
        """Set what `values()`, `sizes()` and `feed_rows()` returned."""
        parts = np.split(values, np.cumsum(sizes)[:-1])
        self.pools = [
            RankPool.restore(part, pool.capacity, int(rows))
            for part, pool, rows in zip(parts, self.pools, feed_rows, strict=True)
        ]


def uniforms(generator: np.random.Generator, rows: int, streams: int) -> Floats:
    """Return random numbers in (0, 1), `(rows, streams)`. Two calls draw the same numbers as one call for all rows."""
    return generator.random((rows, streams)) * (1 - 2**-52) + 2**-53


def p_values_of(pools: Sequence[StratifiedPool], values: Floats, draws: Floats, strata: Integers) -> Floats:
    """Return the p-values of several streams, each with its own pool.

    Args:
        pools: S pools.
        values: `(N, S)`.
        draws: `(N, S)` random numbers in (0, 1).
        strata: `(N,)` strata of the rows.

    Returns:
        `(N, S)`.
    """
    columns = [pool.p_values(values[:, s], draws[:, s], strata) for s, pool in enumerate(pools)]
    return np.stack(columns, axis=1)


def _order(values: Floats) -> Floats:
    return np.where(np.isnan(values), -np.inf, values)
