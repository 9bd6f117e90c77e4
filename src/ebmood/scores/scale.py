"""SCALE: the energy of the logits, after all features of a row are multiplied by one factor.

    S(x) = log sum_k exp f'_k(x),    f'(x) = W z exp(s1 / s2) + b

s1 is the sum of the features, s2 that of the largest ones, of which the smallest p percent are left out. Xu et al.
2024, "Scaling for Training Time and Post-hoc Out-of-distribution Detection Enhancement", Section 3. p = 85 as in
the paper, which chooses it on out-of-distribution rows. The paper scales a feature map before the pooling in some
networks; here the features of the penultimate layer are scaled.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from ebmood.scores.score import FitRows, Head, Outputs, Score, State
from ebmood.scores.shaping import factor, kept


class Scale(Score):
    """Minus the energy of the logits of scaled features.

    Attributes:
        percentile: p.
    """

    kind: Literal["scale"] = "scale"
    needs_head: ClassVar[bool] = True
    percentile: Annotated[float, Field(ge=0, lt=100)] = 85.0

    def fit_state(self, rows: FitRows) -> State:
        """Return the last linear layer."""
        assert rows.head is not None
        return {"weight": rows.head.weight, "bias": rows.head.bias}

    def score(self, state: State, outputs: Outputs) -> Tensor:
        """Return the scores of rows, `(N,)`."""
        features = outputs.features
        scaled = features * factor(features, kept(features.shape[1], self.percentile))
        return Head(state["weight"], state["bias"])(scaled).logsumexp(1)
