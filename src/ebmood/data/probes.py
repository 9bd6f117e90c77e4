"""Non-natural OOD inputs that are far from any data: uniform noise, Gaussian noise and constants, in scaled units."""

import numpy as np

from ebmood.core.seeding import numpy_stream
from ebmood.data.dataset import OODSet

PROBES_VERSION = 1
"""Version of `draw_probes`. Increase it when the rows that the function draws change.

The cell key of a study contains it, so that a study computes its records again.
"""

BOUND = 5.0
"""Largest absolute value of `uniform` and `constant`."""


def draw_probes(rows: int, shape: tuple[int, ...], seed: int, part: str) -> tuple[OODSet, ...]:
    """Return the three sets of inputs that the paper defines for tables.

    - `uniform`: all features from U(-5, 5).
    - `gaussian`: all features from N(0, 1).
    - `constant`: one value from U(-5, 5) for all features of a row.

    Args:
        rows: number of inputs in each set.
        shape: shape of one input.
        seed: seed of the split.
        part: `validation` or `test`; the two have different random streams.

    >>> [(probe.name, probe.x.shape) for probe in draw_probes(4, (2,), seed=0, part="test")]
    [('uniform', (4, 2)), ('gaussian', (4, 2)), ('constant', (4, 2))]
    """
    uniform = numpy_stream(seed, f"probes/{part}/uniform").uniform(-BOUND, BOUND, (rows, *shape))
    gaussian = numpy_stream(seed, f"probes/{part}/gaussian").standard_normal((rows, *shape))
    value = numpy_stream(seed, f"probes/{part}/constant").uniform(-BOUND, BOUND, (rows, *(1 for _ in shape)))
    constant = np.broadcast_to(value, (rows, *shape))
    sets = {"uniform": uniform, "gaussian": gaussian, "constant": constant}
    return tuple(OODSet(name, "non-natural", x.astype(np.float32)) for name, x in sets.items())
