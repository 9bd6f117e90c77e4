"""What figures and tables need of a model, measured while it is there: scores, bits, rays and landscapes."""

import numpy as np
import torch

from ebmood.core.seeding import numpy_stream, torch_stream
from ebmood.data.units import model_rows
from ebmood.models import ImageFlow, Scorer, bits_per_dim
from ebmood.recipes.recipe import DensityScorer
from ebmood.study.records import Landscape, Rays

KEPT = 500
RAYS = 100
GRID = 60


def kept_scores(scores: dict[str, np.ndarray]) -> dict[str, tuple[float, ...]]:
    """The first 500 scores of each set, to seven digits: enough to draw any histogram from.

    Args:
        scores: `(N,)` by set, in random order of rows.
    """
    return {name: tuple(float(f"{value:.7g}") for value in values[:KEPT]) for name, values in scores.items()}


def bits(scorer: Scorer, rows: np.ndarray, seed: int) -> float | None:
    """Bits per dimension of a flow on images, None for all else: the mean over dequantize rows, one draw each.

    That bounds from above, but for the draw, the bits that a lossless code by this flow needs.

    Args:
        scorer: of a fitted model.
        rows: in-distribution images `(N, C, H, W)`, uint8, that were not trained on.
        seed: of the noise that spreads bytes over their bins.
    """
    if not (isinstance(scorer, DensityScorer) and isinstance(scorer.model, ImageFlow)):
        return None
    spread = scorer.model.dequantize(model_rows(rows), torch_stream(seed, "bits per dimension"))
    scores = torch.from_numpy(scorer.score_samples(spread.numpy()))
    return float(bits_per_dim(scores, rows.shape[1:]).mean())


def rays(scorer: Scorer, rows: np.ndarray, seed: int) -> Rays:
    """Score less its start's, along rays from in-distribution rows in uniformly random directions.

    Args:
        scorer: of a fitted model.
        rows: `(N, *shape)`, where rays start; at most 100 are used. Lengths are in the model's units.
        seed: of the directions.
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


def landscape(scorer: Scorer, rows: np.ndarray) -> Landscape | None:
    """Scores on a grid over the data and half its range to every side (1 where that is zero); None unless 2-D.

    Args:
        scorer: of a fitted model.
        rows: training rows `(N, 2)`; 300 are kept for drawing.
    """
    if rows.shape[1:] != (2,):
        return None
    low, high = rows.min(0), rows.max(0)
    beyond = np.where(high > low, high - low, 1.0) / 2
    axes = [np.linspace(low[i] - beyond[i], high[i] + beyond[i], GRID) for i in (0, 1)]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    value = scorer.score_samples(grid).reshape(GRID, GRID)
    return Landscape(
        x=tuple(axes[0].tolist()),
        y=tuple(axes[1].tolist()),
        value=tuple(tuple(row) for row in value.tolist()),
        rows=tuple((float(a), float(b)) for a, b in rows[:300]),
    )
