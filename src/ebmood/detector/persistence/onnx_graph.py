"""The computation of a fitted detector, from raw rows to scores and p-values, as one module that ONNX can represent.

x        (N, *shape) float64, columns in the order of the fit. A category is the number of its level, counted from 0 in
         the metadata `categories`; the number of levels stands for any other. A missing value is NaN.
score    (N,) float64, higher is more in-distribution
p_value  (N,) float64, in (0, 1]
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ebmood.detector.energy.training_ranges import MAX_RANGES, range_widths

if TYPE_CHECKING:
    from ebmood.detector.estimator import EnergyDetector


class PValues(nn.Module):
    """Conformal p-values of scores: `(N,) -> (N,)`.

    Args:
        calibration: `(n,)` calibration scores, ascending.
    """

    calibration: Tensor

    def __init__(self, calibration: NDArray[np.float64]):
        super().__init__()
        self.rows = len(calibration)
        self.bisections = self.rows.bit_length()
        padded = np.full(2**self.bisections, np.inf)  # infinity is above every score
        padded[: self.rows] = calibration
        self.register_buffer("calibration", torch.from_numpy(padded))

    def forward(self, score: Tensor) -> Tensor:
        """Return the p-values of scores."""
        return (1.0 + self.count_below(score)) / (1.0 + self.rows)

    def count_below(self, score: Tensor) -> Tensor:
        """Return how many calibration scores are less than or equal to each score.

        This is a bisection, because ONNX has no equivalent of `searchsorted`.
        """
        count = torch.zeros_like(score, dtype=torch.int64)
        for power in reversed(range(self.bisections)):
            larger = count + 2**power
            count = torch.where(self.calibration[larger - 1] <= score, larger, count)
        return count.to(torch.float64)


class DetectorGraph(nn.Module):
    """Map rows `(N, *shape)` to scores and p-values, `(N,)` each.

    Args:
        detector: a fitted detector whose inputs are floating-point numbers.
    """

    embedding: nn.Module | None
    low: Tensor
    high: Tensor
    width: Tensor

    def __init__(self, detector: "EnergyDetector"):
        super().__init__()
        scorer = detector.scorer_
        self.model = scorer.model
        self.embedding = scorer.embedding
        self.shape = scorer.shape
        self.p_values = PValues(detector.calibration_scores_)
        if self.embedding is not None and scorer.ranges is not None:
            self.register_buffer("low", torch.from_numpy(scorer.ranges[0]))
            self.register_buffer("high", torch.from_numpy(scorer.ranges[1]))
            self.register_buffer("width", torch.from_numpy(range_widths(scorer.ranges)))
            self.lowest_score = float(scorer.lowest_scores[0])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores and p-values."""
        score = (
            self.model(x) if self.embedding is None else self._embedded_score(self.embedding, x.flatten(1))
        )
        return score, self.p_values(score)

    def _embedded_score(self, embedding: nn.Module, x: Tensor) -> Tensor:
        """Compute the same as `RowScorer.score_rows`: clip distant rows, and lower their scores."""
        margin = MAX_RANGES * self.width
        clipped = torch.minimum(torch.maximum(x, self.low - margin), self.high + margin)
        largest = torch.finfo(torch.float32).max
        items = clipped.clamp(-largest, largest).to(torch.float32).reshape(-1, *(self.shape or ()))
        score = self.model(embedding(items).flatten(1).to(torch.float64))
        excess = torch.maximum(self.low - x, x - self.high).div(self.width).clamp(0.0, 1e300).amax(1)
        below = self.lowest_score - torch.log((excess / MAX_RANGES).clamp(min=1.0))
        return torch.where(excess > MAX_RANGES, torch.minimum(score, below), score)
