"""Bets against uniform p-values: densities on (0, 1), each of which integrates to one.

A bet multiplies its stake by f(p). If p is uniform, the expected factor is one, independently of earlier bets. The
densities are those of Beta(a, b). A small p-value is a value that is lower than the earlier ones:

- a < 1 or b > 1: values are lower than before;
- a > 1 or b < 1: values are higher than before, as those of a sensor that is stuck at its median;
- a, b < 1: values are more extreme on both sides; a, b > 1: less extreme.

The power martingale of Vovk, Nouretdinov & Gammerman (2003) bets with Beta(a, 1), a < 1, so it finds only lower values.
docs/results/monitoring.md has the measurements from which these shapes were chosen.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

Floats = NDArray[np.float64]

SHAPES = (0.5, 0.8, 1.0, 1.25, 2.0, 8.0)
"""Values of a and b."""

BETS = np.array([(a, b) for a, b in product(SHAPES, SHAPES) if (a, b) != (1, 1)])
"""`(K, 2)`: a and b of each bet. Beta(1, 1) is left out because it bets nothing."""

SMALLEST = 2.0**-53
"""P-values are moved away from 0 and 1 by this, because some densities are infinite there."""


def log_bets(p: Floats) -> Floats:
    """Return the logarithm of every bet's factor: p-values of any shape `(...)` to `(..., K)`.

    The first bet is Beta(1/2, 1/2), the arcsine density:

    >>> bool(np.isclose(np.exp(log_bets(np.array(0.25)))[0], 1 / (np.pi * np.sqrt(0.25 * 0.75))))
    True
    """
    a, b = BETS.T
    p = np.clip(p, SMALLEST, 1 - SMALLEST)[..., None]
    return (a - 1) * np.log(p) + (b - 1) * np.log1p(-p) - betaln(a, b)
