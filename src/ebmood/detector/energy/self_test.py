"""The self-test: score inputs that are unlike any training row, and record how many the detector accepts.

An energy that was fitted near its data may be arbitrary far from the data, which is where energy models often fail. An
embedding may map any distant input to an ordinary one. Every fit therefore scores noise, constants and distant rows,
and the results are saved with the detector.
"""

from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray

from ebmood.core.errors import SelfTestWarning, warn
from ebmood.core.seeding import numpy_stream
from ebmood.core.settings import Settings
from ebmood.data.probes import draw_probes
from ebmood.detector.energy.training_ranges import range_widths, ranges_outside

PROBE_ROWS = 256
MIN_DISTANCE = 0.5  # training ranges; rows closer than this may be ordinary, and are left out
FAR_DISTANCE = 1e3  # training ranges
ACCEPTED_FRACTION = 0.01  # of few calibration rows, one unusual row lowers the threshold below single probes


class Probe(Settings):
    """Result of one kind of probe.

    Attributes:
        name: `uniform`: every feature from U(-5, 5), in units where 0 and 1 are the ends of its training range.
            `gaussian`: N(0, 1). `constant`: one value from U(-5, 5) in all features. `far`: the middle of the training
            range plus 1000 ranges in a random direction.
        rows: number of rows that were scored: of 256, those more than half a range outside in some feature.
        in_distribution: fraction of them that the detector rates in-distribution, 0 to 1. It should be 0.
    """

    name: str
    rows: int
    in_distribution: float

    @property
    def failed(self) -> bool:
        """Whether more than 1 % of them are rated in-distribution."""
        return self.in_distribution > ACCEPTED_FRACTION


def run_self_test(
    score: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ranges: NDArray[np.float64],
    threshold: float,
    seed: int,
    categories: Collection[int] = (),
) -> tuple[Probe, ...]:
    """Score all probes, and warn if more than 1 % of a kind are rated in-distribution.

    Only columns of numbers of a probe lie outside the training data. Its categories are levels of training rows.

    Args:
        score: maps rows `(N, D)` to scores `(N,)`.
        ranges: `(2, D)` lowest and highest training value of each feature.
        threshold: rows with this score or a higher one count as in-distribution.
        seed: seed of the probes.
        categories: the columns of categories.

    Warns:
        SelfTestWarning: more than 1 % of the probes of a kind are rated in-distribution.
    """
    results = []
    for name, scaled in _draw_probes(ranges.shape[1], seed).items():
        rows = ranges[0] + scaled * range_widths(ranges)
        columns = list(categories)
        rows[:, columns] = np.clip(np.round(rows[:, columns]), ranges[0, columns], ranges[1, columns])
        rows = rows[ranges_outside(rows, ranges) > MIN_DISTANCE]
        fraction = float((score(rows) >= threshold).mean()) if len(rows) else 0.0
        results.append(Probe(name=name, rows=len(rows), in_distribution=fraction))
    for probe in results:
        if probe.failed:
            warn(
                f"self-test: {probe.in_distribution:.1%} of {probe.rows} `{probe.name}` probes, which lie outside the "
                "training data, are rated in-distribution; do not rely on this detector for inputs of that kind",
                SelfTestWarning,
            )
    return tuple(results)


def _draw_probes(features: int, seed: int) -> dict[str, NDArray[np.float64]]:
    """Return probes `(256, D)` by name, in units of the training ranges."""
    probes = draw_probes(PROBE_ROWS, (features,), seed, "self-test")
    direction = numpy_stream(seed, "probes/self-test/far").standard_normal((PROBE_ROWS, features))
    far_rows = 0.5 + FAR_DISTANCE * direction / np.abs(direction).max(axis=1, keepdims=True)
    return {probe.name: probe.x.astype(np.float64) for probe in probes} | {"far": far_rows}
