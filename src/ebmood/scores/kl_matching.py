"""KL matching: the divergence of the predicted distribution from the typical one of a class.

    S(x) = -min_k KL(p(. | x) || d_k),    d_k = mean of p(. | x_i) over rows with argmax_y p(y | x_i) = k

Hendrycks et al. 2022, "Scaling Out-of-Distribution Detection for Real-World Settings", Section 4. The minimum is over
the classes that are predicted for at least one in-distribution row. Labels are not used.
"""

from typing import Literal

import torch
from torch import Tensor

from ebmood.scores.score import FitRows, Outputs, Score, State

SMALLEST = 1e-300
"""Smallest probability of a typical distribution, so that its logarithm is finite."""


class KLMatching(Score):
    """Minus the smallest divergence from a typical distribution. It has no hyperparameters."""

    kind: Literal["kl-matching"] = "kl-matching"

    def fit_state(self, rows: FitRows) -> State:
        """Return the logarithms of the typical distributions, `(C, K)`."""
        p, predicted = rows.outputs.logits.softmax(1), rows.outputs.predicted
        typical = torch.stack([p[predicted == k].mean(0) for k in predicted.unique()])
        return {"log_typical": typical.clamp(min=SMALLEST).log()}

    def score(self, state: State, outputs: Outputs) -> Tensor:
        """Return the scores of rows, `(N,)`."""
        log_p = outputs.logits.log_softmax(1)
        p = log_p.exp()
        # For p = 0, p log p = 0: log_softmax is finite.
        divergences = (p * log_p).sum(1, keepdim=True) - p @ state["log_typical"].mT
        return -divergences.amin(1)
