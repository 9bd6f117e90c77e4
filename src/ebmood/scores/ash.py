"""ASH: the energy of the logits, after most features are removed and the others are changed.

    S(x) = log sum_k exp f'_k(x),    f'(x) = W z' + b

The smallest p percent of the features of each row become zero. Of the others, variant P keeps the values, variant B
sets all to s1 / n, and variant S multiplies by exp(s1 / s2): s1 is the sum of all features before, s2 that of the n
features that remain. Djurisic et al. 2023, "Extremely Simple Activation Shaping for Out-of-Distribution Detection",
Algorithms 1 to 3. The paper chooses p for each network on out-of-distribution rows. Here p is its value for ImageNet
with a ResNet-50: 60, 65 and 90 for P, B and S. The paper shapes a feature map before the pooling; here the features of
the penultimate layer are shaped.
"""

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ebmood.scores.score import FitRows, Head, Outputs, Score, State
from ebmood.scores.shaping import factor, kept, largest_only

PERCENTILES = {"p": 60.0, "b": 65.0, "s": 90.0}


class ASH(Score):
    """Minus the energy of the logits of shaped features.

    Attributes:
        variant: p, b or s.
        percentile: p; None for that of the paper.
    """

    kind: Literal["ash"] = "ash"
    needs_head: ClassVar[bool] = True
    variant: Literal["p", "b", "s"] = "s"
    percentile: Annotated[float, Field(ge=0, lt=100)] | None = None

    def fit_state(self, rows: FitRows) -> State:
        """Return the last linear layer."""
        assert rows.head is not None
        return {"weight": rows.head.weight, "bias": rows.head.bias}

    def score(self, state: State, outputs: Outputs) -> Tensor:
        """Return the scores of rows, `(N,)`."""
        return Head(state["weight"], state["bias"])(self.shaped(outputs.features)).logsumexp(1)

    def shaped(self, features: Tensor) -> Tensor:
        """Return the features after shaping: `(N, E) -> (N, E)`."""
        percentile = PERCENTILES[self.variant] if self.percentile is None else self.percentile
        count = kept(features.shape[1], percentile)
        if self.variant == "b":
            columns = features.topk(count, dim=1).indices
            equal = (features.sum(1, keepdim=True) / count).expand(-1, count)
            return torch.zeros_like(features).scatter(1, columns, equal)
        pruned = largest_only(features, count)
        return pruned * factor(features, count) if self.variant == "s" else pruned
