"""Maximum logit.

    S(x) = max_y f_y(x)

Hendrycks et al. 2022, "Scaling Out-of-Distribution Detection for Real-World Settings", Section 3.
"""

from typing import Literal

from torch import Tensor

from ebmood.scores.score import FitRows, Outputs, Score, State


class MaxLogit(Score):
    """The largest logit. It has no hyperparameters."""

    kind: Literal["max-logit"] = "max-logit"

    def fit_state(self, rows: FitRows) -> State:
        """Return no tensors."""
        return {}

    def score(self, state: State, outputs: Outputs) -> Tensor:
        """Return the scores of rows, `(N,)`."""
        return outputs.logits.amax(1)
