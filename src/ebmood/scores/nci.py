"""NCI: how far the features point to the weight of the predicted class, plus a multiple of their norm.

    S(x) = w_y . (z - m) / |z - m| + a |z|_1,    y = argmax_k f_k(x)

w_y is a row of the weight of the last linear layer, m is the mean of the features of in-distribution rows. Liu & Qin
2025, "Detecting Out-of-Distribution through the Lens of Neural Collapse", Section 4. The paper chooses a on
validation rows. Here a makes the standard deviations of both terms equal over in-distribution rows.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ebmood.core.settings import NonNegative
from ebmood.scores.score import FitRows, Outputs, Score, State

TINY = 1e-12
"""Smallest norm that is divided by."""


class NCI(Score):
    """The score of neural collapse.

    Attributes:
        norm_weight: a; None for the rule.
    """

    kind: Literal["nci"] = "nci"
    needs_head: ClassVar[bool] = True
    norm_weight: NonNegative | None = None

    def fit_state(self, rows: FitRows) -> State:
        """Return the mean of the features `(E,)`, the weight `(K, E)`, and a."""
        assert rows.head is not None
        features = rows.outputs.features
        state = {"mean": features.mean(0), "weight": rows.head.weight}
        spread = features.abs().sum(1).std()
        rule = self._alignment(state, rows.outputs).std() / spread.clamp(min=TINY)
        given = rule if self.norm_weight is None else torch.full_like(rule, self.norm_weight)
        return {**state, "norm_weight": given}

    def score(self, state: State, outputs: Outputs) -> Tensor:
        """Return the scores of rows, `(N,)`."""
        return self._alignment(state, outputs) + state["norm_weight"] * outputs.features.abs().sum(1)

    def _alignment(self, state: State, outputs: Outputs) -> Tensor:
        centred = outputs.features - state["mean"]
        along = (centred * state["weight"][outputs.predicted]).sum(1)
        return along / centred.norm(dim=1).clamp(min=TINY)
