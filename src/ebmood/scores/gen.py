"""GEN: a generalised entropy of the largest probabilities.

    S(x) = -sum over the M largest p_j of p_j^g (1 - p_j)^g

Liu, Lochman & Zach 2023, "GEN: Pushing the Limits of Softmax-Based Out-of-Distribution Detection", Section 3.
g = 0.1 and M = 100 as in the paper, or all classes if there are fewer.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ebmood.scores.score import FitRows, Outputs, Score, State


class GEN(Score):
    """Minus the generalised entropy.

    Attributes:
        gamma: g.
        largest: M.
    """

    kind: Literal["gen"] = "gen"
    gamma: Annotated[float, Field(gt=0, lt=1)] = 0.1
    largest: Annotated[int, Field(ge=1)] = 100

    def fit_state(self, rows: FitRows) -> State:
        """Return no tensors."""
        return {}

    def score(self, state: State, outputs: Outputs) -> Tensor:
        """Return the scores of rows, `(N,)`."""
        p = outputs.logits.softmax(1).sort(dim=1, descending=True).values
        # 1 - p loses all digits for the largest p; it is the sum of the others.
        others = torch.cat([p[:, 1:].sum(1, keepdim=True), 1 - p[:, 1:]], dim=1)
        return -(p * others)[:, : self.largest].pow(self.gamma).sum(1)
