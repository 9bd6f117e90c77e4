"""Maximum softmax probability.

    S(x) = max_y log p(y | x),    p(y | x) = exp f_y(x) / sum_k exp f_k(x)

Hendrycks & Gimpel 2017, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural Networks",
Section 3. The logarithm does not change the order of rows. It is computed from the other classes, so that it differs
for rows whose probability rounds to 1.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from ebmood.scores.score import FitRows, Outputs, Score, State


class MaxSoftmax(Score):
    """The largest log-probability of a class. It has no hyperparameters; its temperature is 1."""

    kind: Literal["max-softmax"] = "max-softmax"

    def fit_state(self, rows: FitRows) -> State:
        """Return no tensors."""
        return {}

    def score(self, state: State, outputs: Outputs) -> Tensor:
        """Return the scores of rows, `(N,)`."""
        return max_log_softmax(outputs.logits)


def max_log_softmax(logits: Tensor) -> Tensor:
    """Return the largest log-probability: `(N, K) -> (N,)`."""
    largest, column = logits.max(1, keepdim=True)
    others = logits.scatter(1, column, -torch.inf).logsumexp(1)
    return -nn.functional.softplus(others - largest[:, 0])
