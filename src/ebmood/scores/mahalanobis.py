"""Mahalanobis distance of features from the nearest class mean.

    S(x) = -min_k (z - m_k)^T C^-1 (z - m_k)

z are the features, m_k the mean of class k, and C the covariance of features around the mean of their class. Lee et al.
2018, "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks", Equation 2. The
paper also perturbs inputs, and combines layers with weights that it fits on out-of-distribution or adversarial rows.
Both are left out here: one layer, no perturbation.
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


class Mahalanobis(Score):
    """Minus the squared Mahalanobis distance from the nearest class mean.

    Attributes:
        ridge: added to the covariance, as a fraction of the mean variance of a feature. The paper has none.
    """

    kind: Literal["mahalanobis"] = "mahalanobis"
    needs_labels: ClassVar[bool] = True
    ridge: NonNegative = RIDGE

    def fit_state(self, rows: FitRows) -> State:
        """Return the class means `(C, E)` and the whitening `(E, E)`."""
        root = inverse_root(within_class_residuals(rows), self.ridge)
        return {"means": class_means(rows), "root": root}

    def score(self, state: State, outputs: Outputs) -> Tensor:
        """Return the scores of rows, `(N,)`."""
        return -squared_mahalanobis(outputs.features, state["means"], state["root"]).amin(1)
