"""Non-natural inputs, far from any data: uniform noise, Gaussian noise, constants. In scaled space."""

import numpy as np

from ebmood.core.seeding import numpy_stream
from ebmood.data.dataset import OODSet

PROBES_VERSION = 1
"""Increased whenever the probes of a seed change."""

REACH = 5.0


def draw_probes(rows: int, shape: tuple[int, ...], seed: int, part: str) -> tuple[OODSet, ...]:
    """Three sets of `rows` inputs of `shape`, as the paper defines them for tables.

    `uniform`: every feature from U(-5, 5). `gaussian`: every feature from N(0, 1). `constant`: one value from
    U(-5, 5) in all features of a row.

    Args:
        rows: number of inputs in each set.
        shape: of one input.
        seed: of the split.
        part: `validation` or `test`; each has streams of its own.
    """
    uniform = numpy_stream(seed, f"probes/{part}/uniform").uniform(-REACH, REACH, (rows, *shape))
    gaussian = numpy_stream(seed, f"probes/{part}/gaussian").standard_normal((rows, *shape))
    value = numpy_stream(seed, f"probes/{part}/constant").uniform(-REACH, REACH, (rows, *(1 for _ in shape)))
    constant = np.broadcast_to(value, (rows, *shape))
    sets = {"uniform": uniform, "gaussian": gaussian, "constant": constant}
    return tuple(OODSet(name, "non-natural", x.astype(np.float32)) for name, x in sets.items())
