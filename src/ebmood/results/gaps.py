r"""Gaps of the log-density between images and their own low-level content.

The gap of one model to one content set is :math:`(\bar s_\text{ID} - \bar s_\text{content}) / \sigma_\text{ID}`: the
difference of the mean scores in units of the standard deviation of the ID scores. It is positive where the content
alone is less in-distribution than the images that it was made from. The unit makes models comparable whose scores
have different scales.
"""

import numpy as np

from ebmood.results.arms import Arm
from ebmood.results.pairs import Pair
from ebmood.study.records import Record


def gaps(record: Record) -> dict[str, float]:
    """Return the gap to each low-level content set, from the scores in the record.

    Sets without recorded scores and gaps that are not finite are left out.
    """
    values = {}
    id_scores = np.array(record.scores.get("id", ()), dtype=float)
    for result in record.results:
        scores = np.array(record.scores.get(result.name, ()), dtype=float)
        if result.kind != "low-level" or not len(id_scores) or not len(scores):
            continue
        with np.errstate(all="ignore"):
            gap = float((id_scores.mean() - scores.mean()) / id_scores.std())
        if np.isfinite(gap):
            values[result.name] = gap
    return values


def mean_gaps(arm: Arm) -> dict[int, float]:
    """Return the mean gap over all content sets, for each seed with recorded scores."""
    by_seed = {seed: gaps(record) for seed, record in arm.done.items()}
    return {seed: float(np.mean(list(values.values()))) for seed, values in by_seed.items() if values}


def gap_differences(pair: Pair) -> dict[int, float]:
    """Return the mean gap of side `a` minus that of side `b`, for each seed that both have."""
    a, b = (mean_gaps(arm) if arm else {} for arm in (pair.a, pair.b))
    return {seed: a[seed] - b[seed] for seed in a if seed in b}
