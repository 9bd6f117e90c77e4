"""Measurements of a fitted model that tables and figures need: scores, bits per dimension, rays, landscapes."""

import numpy as np
import torch

from ebmood.core.seeding import numpy_stream, torch_stream
from ebmood.data.units import model_rows
from ebmood.models import DensityScorer, ImageFlow, Scorer, bits_per_dim
from ebmood.study.records import Landscape, Rays

RECORDED_SCORES = 500
"""Scores per set in a record."""

RAYS = 100
"""Rays per record."""

GRID = 60
"""Points per axis of a landscape."""


def recorded_scores(scores: dict[str, np.ndarray]) -> dict[str, tuple[float, ...]]:
    """Return the first 500 scores of each set, rounded to seven significant digits.

    Args:
        scores: arrays `(N,)` by set, in random order of rows.

    >>> recorded_scores({"id": np.array([1 / 3])})
    {'id': (0.3333333,)}
    """
    return {
        name: tuple(float(f"{value:.7g}") for value in values[:RECORDED_SCORES])
        for name, values in scores.items()
    }


def mean_bits_per_dim(scorer: Scorer, rows: np.ndarray, seed: int) -> float | None:
    """Return the mean bits per dimension of an image flow, or None for other models.

    Every image is dequantized with one noise draw, so the value estimates an upper bound of the length of a
    lossless code that uses this flow.

    Args:
        scorer: scorer of a fitted model.
        rows: in-distribution test images `(N, C, H, W)`, uint8.
        seed: seed of the dequantization noise.
    """
    if not (isinstance(scorer, DensityScorer) and isinstance(scorer.model, ImageFlow)):
        return None
    dequantized = scorer.model.dequantize(model_rows(rows), torch_stream(seed, "bits per dimension"))
    scores = torch.from_numpy(scorer.score_samples(dequantized.numpy()))
    return float(bits_per_dim(scores, rows.shape[1:]).mean())


def class_accuracy(scorer: Scorer, rows: np.ndarray, classes: np.ndarray | None) -> float | None:
    """Return the fraction of in-distribution test rows whose class a model predicts, or None without classes.

    Args:
        scorer: scorer of a fitted model.
        rows: in-distribution test rows `(N, *shape)`.
        classes: their classes `(N,)`, or None.
    """
    predicted = None if classes is None else scorer.predict_classes(rows)
    return None if predicted is None else float((predicted == classes).mean())


def ray_profile(scorer: Scorer, rows: np.ndarray, seed: int) -> Rays:
    """Return the change of the score along rays that start at in-distribution rows in uniform directions.

    Args:
        scorer: scorer of a fitted model.
        rows: start points `(N, *shape)`; the first 100 are used. Distances are in model units.
        seed: seed of the directions.
    """
    starts = model_rows(rows[:RAYS]).numpy()
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


def score_landscape(scorer: Scorer, rows: np.ndarray) -> Landscape | None:
    """Return scores on a grid around two-dimensional data, or None for other data.

    The grid extends beyond the data by half their range on each side (by 0.5 where the range is zero).

    Args:
        scorer: scorer of a fitted model.
        rows: training rows `(N, 2)`; the first 300 are recorded.
    """
    if rows.shape[1:] != (2,):
        return None
    low, high = rows.min(0), rows.max(0)
    margin = np.where(high > low, high - low, 1.0) / 2
    axes = [np.linspace(low[i] - margin[i], high[i] + margin[i], GRID) for i in (0, 1)]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    value = scorer.score_samples(grid).reshape(GRID, GRID)
    return Landscape(
        x=tuple(axes[0].tolist()),
        y=tuple(axes[1].tolist()),
        value=tuple(tuple(row) for row in value.tolist()),
        rows=tuple((float(a), float(b)) for a, b in rows[:300]),
    )
