"""ReAct: the energy of the logits, after features are clipped at a percentile of in-distribution features.

    S(x) = log sum_k exp f'_k(x),    f'(x) = W min(z, c) + b

c is the percentile p of all features of in-distribution rows. Sun, Guo & Li 2021, "ReAct: Out-of-distribution Detection
With Rectified Activations", Section 3. p = 90 as in the paper, which chooses it on noise images.
"""

from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ebmood.scores.score import FitRows, Head, Outputs, Score, State


class ReAct(Score):
    """Minus the energy of the logits of clipped features.

    Attributes:
        percentile: p.
    """

    kind: Literal["react"] = "react"
    needs_head: ClassVar[bool] = True
    percentile: Annotated[float, Field(gt=0, le=100)] = 90.0

    def fit_state(self, rows: FitRows) -> State:
        """Return the largest feature c, and the last linear layer."""
        assert rows.head is not None
        features = rows.outputs.features
        largest = np.percentile(features.cpu().numpy(), self.percentile)
        return {
            "largest": torch.as_tensor(largest).to(features),
            "weight": rows.head.weight,
            "bias": rows.head.bias,
        }

    def score(self, state: State, outputs: Outputs) -> Tensor:
        """Return the scores of rows, `(N,)`."""
        clipped = torch.minimum(outputs.features, state["largest"])
        return Head(state["weight"], state["bias"])(clipped).logsumexp(1)
