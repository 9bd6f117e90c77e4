"""The self-test: inputs that are unlike any training row, and how many of them the detector takes for ordinary.

A network that learnt a density near its data says nothing about places without data, and there plain energy models
fail. So every fit scores noise, constants and far-away rows, and keeps the answer with the model.
"""

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ebmood.core.errors import SelfTestWarning
from ebmood.core.seeding import numpy_stream
from ebmood.core.settings import Settings
from ebmood.data.probes import draw_probes
from ebmood.detector.user_embedding import ranges_outside, widths

ROWS = 256
OUTSIDE = 0.5  # training ranges; noise that happens to fall nearer to the data proves nothing
FAR = 1e3


class Probe(Settings):
    """What became of one kind of probe.

    Attributes:
        name: `uniform`: every feature from U(-5, 5), where 0 and 1 are the ends of its training range. `gaussian`:
            N(0, 1). `constant`: one value from U(-5, 5) in all features. `far`: a training range's middle plus 1000
            ranges in a random direction.
        rows: how many were scored: of 256, those more than half a training range outside in some feature.
        in_distribution: the share of them that the detector rated in-distribution, 0 to 1. Anything above 0 is a
            finding.
    """

    name: str
    rows: int
    in_distribution: float


def run_probes(
    score: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ranges: NDArray[np.float64],
    threshold: float,
    seed: int,
) -> tuple[Probe, ...]:
    """Score all probes and warn of those that pass for ordinary.

    Args:
        score: `(N, D) -> (N,)`, higher is more in-distribution.
        ranges: `(2, D)` lowest and highest training value of each feature.
        threshold: rows at or above it count as in-distribution.
        seed: of the probes.
    """
    features = ranges.shape[1]
    sets = {
        probe.name: probe.x.astype(np.float64) for probe in draw_probes(ROWS, (features,), seed, "self-test")
    }
    direction = numpy_stream(seed, "probes/self-test/far").standard_normal((ROWS, features))
    sets["far"] = 0.5 + FAR * direction / np.abs(direction).max(axis=1, keepdims=True)
    results = []
    for name, scaled in sets.items():
        rows = ranges[0] + scaled * widths(ranges)
        rows = rows[ranges_outside(rows, ranges) > OUTSIDE]
        accepted = score(rows) >= threshold if len(rows) else np.zeros(0)
        results.append(
            Probe(name=name, rows=len(rows), in_distribution=float(accepted.mean()) if len(rows) else 0.0)
        )
    for probe in results:
        if probe.in_distribution > 0:
            warnings.warn(
                f"self-test: {probe.in_distribution:.1%} of {probe.rows} `{probe.name}` probes, which lie outside the "
                "training rows, are rated in-distribution; do not rely on this detector for inputs of that kind",
                SelfTestWarning,
                stacklevel=3,
            )
    return tuple(results)
