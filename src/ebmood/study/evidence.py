"""What figures need of a model, measured while it is there: histograms, rays and landscapes."""

import numpy as np

from ebmood.models import Scorer
from ebmood.seeding import numpy_stream
from ebmood.study.records import Histogram, Landscape, Rays

BINS = 60
RAYS = 100
GRID = 60


def histogram(scores: dict[str, np.ndarray]) -> Histogram:
    """Counts of scores by set on shared bins.

    The bins span the 0.5 % to 99.5 % quantiles over all sets, each weighed alike; what lies outside counts in the
    first or the last bin, so that no row is lost.

    Args:
        scores: `(N,)` by set.
    """
    ends = np.array([np.quantile(values, [0.005, 0.995]) for values in scores.values()])
    low, high = ends[:, 0].min(), ends[:, 1].max()
    if not high > low:
        high = low + max(1.0, abs(low)) * 1e-6
    edges = np.linspace(low, high, BINS + 1)
    counts = {name: np.histogram(np.clip(values, low, high), edges)[0] for name, values in scores.items()}
    return Histogram(
        edges=tuple(edges.tolist()), counts={name: tuple(count.tolist()) for name, count in counts.items()}
    )


def rays(scorer: Scorer, rows: np.ndarray, seed: int) -> Rays:
    """Score less its start's, along rays from in-distribution rows in uniformly random directions.

    Args:
        scorer: of a fitted model.
        rows: `(N, *shape)`, where rays start; at most 100 are used.
        seed: of the directions.
    """
    starts = rows[:RAYS]
    directions = numpy_stream(seed, "rays").normal(size=starts.shape)
    norms = np.sqrt(np.square(directions).reshape(len(starts), -1).sum(1))
    directions /= norms.reshape(-1, *[1] * (starts.ndim - 1))
    distances = np.concatenate([[0.0], np.geomspace(0.01, 100, 41)])
    profile = np.stack([scorer.score_samples(starts + t * directions) for t in distances])
    low, median, high = np.quantile(profile - profile[0], [0.1, 0.5, 0.9], axis=1)
    return Rays(
        distance=tuple(distances.tolist()),
        median=tuple(median.tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
    )


def landscape(scorer: Scorer, rows: np.ndarray) -> Landscape | None:
    """Scores on a grid over the data and half its range to every side; None unless the data are 2-D.

    Args:
        scorer: of a fitted model.
        rows: training rows `(N, 2)`; 300 are kept for drawing.
    """
    if rows.shape[1:] != (2,):
        return None
    low, high = rows.min(0), rows.max(0)
    axes = [
        np.linspace(low[i] - (high[i] - low[i]) / 2, high[i] + (high[i] - low[i]) / 2, GRID) for i in (0, 1)
    ]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    value = scorer.score_samples(grid).reshape(GRID, GRID)
    return Landscape(
        x=tuple(axes[0].tolist()),
        y=tuple(axes[1].tolist()),
        value=tuple(tuple(row) for row in value.tolist()),
        rows=tuple((float(a), float(b)) for a, b in rows[:300]),
    )
