"""Hold a random sample of rows that arrive in parts (reservoir sampling, Vitter 1985), all rows while they are few."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


def sample_union(earlier: int, held: int, new: int, limit: int, rng: np.random.Generator) -> Indices:
    """Return a uniform random sample of all rows, without replacement: at most `limit` of them.

    Args:
        earlier: number of rows that came before.
        held: number of them that are held; they are a uniform random sample.
        new: number of new rows.
        limit: the largest number of rows in the sample.
        rng: the random numbers.

    Returns:
        Ascending indices into the held rows, followed by the new rows.
    """
    count = min(limit, held + new)
    if count == held + new:
        return np.arange(count)
    from_new = max(int(rng.hypergeometric(new, earlier, count)), count - held)
    chosen = [
        rng.choice(held, count - from_new, replace=False),
        held + rng.choice(new, from_new, replace=False),
    ]
    return np.sort(np.concatenate(chosen)).astype(np.intp)


@dataclass(frozen=True)
class Reservoir:
    """A uniform random sample of all rows so far.

    Attributes:
        rows: `(H, D)`, the sample.
        seen: number of all rows so far.
    """

    rows: Floats
    seen: int

    @classmethod
    def of(cls, rows: Floats, limit: int, rng: np.random.Generator) -> "Reservoir":
        """Return a sample of rows `(N, D)`, at most `limit` of them."""
        return cls(rows[:0], 0).add(rows, limit, rng)

    def add(self, rows: Floats, limit: int, rng: np.random.Generator) -> "Reservoir":
        """Return a sample of the rows so far and of more rows `(N, D)`, at most `limit` of them."""
        chosen = sample_union(self.seen, len(self.rows), len(rows), limit, rng)
        return Reservoir(np.concatenate([self.rows, rows])[chosen], self.seen + len(rows))
