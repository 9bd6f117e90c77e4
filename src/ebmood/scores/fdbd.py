"""fDBD: the mean distance of the features from the decision boundaries, relative to that from the mean.

    S(x) = 1 / (K - 1) sum_{k != y} (f_y(x) - f_k(x)) / (|w_y - w_k| |z - m|),    y = argmax_k f_k(x)

w_k are rows of the weight of the last linear layer, m is the mean of the features of in-distribution rows. Liu & Qin
2024, "Fast Decision Boundary based Out-of-Distribution Detector", Section 3. It has no hyperparameters.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ebmood.scores.score import FitRows, Outputs, Score, State

TINY = 1e-8
"""Smallest distance that is divided by."""


class FDBD(Score):
    """The relative distance from the decision boundaries."""

    kind: Literal["fdbd"] = "fdbd"
    needs_head: ClassVar[bool] = True

    def fit_state(self, rows: FitRows) -> State:
        """Return the mean of the features `(E,)`, and the inverse distances between weights `(K, K)`."""
        assert rows.head is not None
        weight = rows.head.weight
        apart = (weight[:, None] - weight[None]).norm(dim=2) if len(weight) <= 200 else _distances(weight)
        # Classes of equal weight have no boundary. On the diagonal the logits do not differ.
        inverse = torch.where(apart > TINY, 1 / apart.clamp(min=TINY), 0.0).fill_diagonal_(0.0)
        return {"mean": rows.outputs.features.mean(0), "inverse": inverse}

    def score(self, state: State, outputs: Outputs) -> Tensor:
        """Return the scores of rows, `(N,)`."""
        logits = outputs.logits
        gaps = logits.amax(1, keepdim=True) - logits
        boundaries = (gaps * state["inverse"][outputs.predicted]).sum(1) / max(1, logits.shape[1] - 1)
        return boundaries / (outputs.features - state["mean"]).norm(dim=1).clamp(min=TINY)


def _distances(weight: Tensor) -> Tensor:
    return torch.stack([(weight - row).norm(dim=1) for row in weight])
