"""ViM: the energy of the logits, minus a virtual logit from the residual of the features.

    S(x) = log sum_k exp f_k(x) - a |R^T (z - o)|,    o = -W^+ b,    a = sum_i max_k f_k(x_i) / sum_i |R^T (z_i - o)|

R holds the eigenvectors of sum_i (z_i - o)(z_i - o)^T but for the D largest eigenvalues; W and b are the last linear
layer. Wang et al. 2022, "ViM: Out-Of-Distribution with Virtual-logit Matching", Section 4. The paper's score is
the softmax probability of the virtual logit, which has the same order. D follows the code of the paper: 1000 for E >=
2048 features, 512 for E >= 768, else E / 2.
"""

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ebmood.scores.score import FitRows, Outputs, Score, State


class ViM(Score):
    """The energy of the logits minus the virtual logit.

    Attributes:
        dimension: D; None for the rule. At least one dimension must remain for the residual.
    """

    kind: Literal["vim"] = "vim"
    needs_head: ClassVar[bool] = True
    dimension: Annotated[int, Field(ge=1)] | None = None

    def fit_state(self, rows: FitRows) -> State:
        """Return the origin `(E,)`, the residual directions `(E, E - D)` and the factor a."""
        assert rows.head is not None
        features, head = rows.outputs.features, rows.head
        origin = -(torch.linalg.pinv(head.weight) @ head.bias)
        centred = features - origin
        vectors = torch.linalg.eigh(centred.mT @ centred / len(centred)).eigenvectors
        residual = vectors[:, : features.shape[1] - self._dimension(features.shape[1])].contiguous()
        length = (centred @ residual).norm(dim=1).mean()
        factor = rows.outputs.logits.amax(1).mean() / length.clamp(min=torch.finfo(length.dtype).tiny)
        # Without a residual in the fitted rows, the factor would be infinite.
        return {
            "origin": origin,
            "residual": residual,
            "factor": factor if length > 1e-12 * centred.norm(dim=1).mean() else torch.zeros_like(factor),
        }

    def score(self, state: State, outputs: Outputs) -> Tensor:
        """Return the scores of rows, `(N,)`."""
        length = ((outputs.features - state["origin"]) @ state["residual"]).norm(dim=1)
        return outputs.logits.logsumexp(1) - state["factor"] * length

    def _dimension(self, features: int) -> int:
        rule = 1000 if features >= 2048 else 512 if features >= 768 else features // 2
        return min(rule if self.dimension is None else self.dimension, features - 1)
