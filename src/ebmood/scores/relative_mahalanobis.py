"""Relative Mahalanobis distance: that from the nearest class, minus that from all rows.

    S(x) = -min_k [(z - m_k)^T C^-1 (z - m_k) - (z - m_0)^T C_0^-1 (z - m_0)]

m_0 and C_0 are the mean and the covariance of all features, without classes; the others as for the Mahalanobis
distance. Ren et al. 2021, "A Simple Fix to Mahalanobis Distance for Improving Near-OOD Detection", Section 2.
"""

from typing import ClassVar, Literal

from torch import Tensor

from ebmood.core.settings import NonNegative
from ebmood.scores.gaussian import (
    RIDGE,
    class_means,
    inverse_root,
    squared_mahalanobis,
    within_class_residuals,
)
from ebmood.scores.score import FitRows, Outputs, Score, State


class RelativeMahalanobis(Score):
    """Minus the relative squared Mahalanobis distance.

    Attributes:
        ridge: added to both covariances, as a fraction of the mean variance of a feature. The paper has none.
    """

    kind: Literal["relative-mahalanobis"] = "relative-mahalanobis"
    needs_labels: ClassVar[bool] = True
    ridge: NonNegative = RIDGE

    def fit_state(self, rows: FitRows) -> State:
        """Return the means and whitenings of classes and of all rows."""
        features = rows.outputs.features
        mean = features.mean(0, keepdim=True)
        return {
            "means": class_means(rows),
            "root": inverse_root(within_class_residuals(rows), self.ridge),
            "all_mean": mean,
            "all_root": inverse_root(features - mean, self.ridge),
        }

    def score(self, state: State, outputs: Outputs) -> Tensor:
        """Return the scores of rows, `(N,)`."""
        of_classes = squared_mahalanobis(outputs.features, state["means"], state["root"])
        of_all = squared_mahalanobis(outputs.features, state["all_mean"], state["all_root"])
        return -(of_classes.amin(1) - of_all[:, 0])
