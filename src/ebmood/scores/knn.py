"""Distance to the k-th nearest in-distribution row, in features of unit length.

    S(x) = -|u - u_(k)|,    u = z / |z|

u_(k) is the k-th nearest of the fitted rows. Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest
Neighbors", Section 3. The paper chooses k on a validation set: 50 for CIFAR-10, 200 for CIFAR-100 and 1000 for
ImageNet. Here k is 50, or half of the mean number of fitted rows of a class if this is less: with more neighbours than
rows of its class, a row of the data would be as far as any other.
"""

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from ebmood.models.memory import squared_distances
from ebmood.scores.score import FitRows, Outputs, Score, State

LARGEST = 50
"""k of the rule, for many rows."""

TINY = 1e-12
"""Smallest norm that features are divided by."""


class KNN(Score):
    """Minus the distance to the k-th nearest fitted row.

    Attributes:
        neighbours: k, or all rows if there are fewer; None for the rule.
        normalise: whether features are divided by their norm.
    """

    kind: Literal["knn"] = "knn"
    neighbours: Annotated[int, Field(ge=1)] | None = None
    normalise: bool = True

    def fit_state(self, rows: FitRows) -> State:
        """Return the features of all rows, `(M, E)`."""
        return {"rows": self._coordinates(rows.outputs.features)}

    def score(self, state: State, outputs: Outputs) -> Tensor:
        """Return the scores of rows, `(N,)`."""
        squared = squared_distances(self._coordinates(outputs.features), state["rows"])
        k = self._neighbours(len(state["rows"]), outputs.logits.shape[1])
        return -squared.topk(k, dim=1, largest=False).values[:, -1].sqrt()

    def _neighbours(self, rows: int, classes: int) -> int:
        rule = min(LARGEST, max(1, rows // (2 * classes)))
        return min(rule if self.neighbours is None else self.neighbours, rows)

    def _coordinates(self, features: Tensor) -> Tensor:
        return unit_length(features) if self.normalise else features


def unit_length(features: Tensor) -> Tensor:
    """Return features divided by their norm: `(N, E) -> (N, E)`."""
    return features / features.norm(dim=1, keepdim=True).clamp(min=TINY)
