"""The gradient norm, or approximate mass.

    score(x) = -| grad_x log p(x) |_2

(Grathwohl et al. 2020, "Your classifier is secretly an energy based model and you should treat it like one", section
5.3.) A point may have a high density and little mass around it, if the density changes quickly there. The gradient does
not depend on the constant of log p, and its scale does not change the order of the scores. x is in model units.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ebmood.density_scores.score import LOWEST, DensityScore, FittedScore
from ebmood.models import DensityScorer


class GradientNormScore(FittedScore):
    """Minus the norm of the gradient of the log-density at each row."""

    def score(self, x: np.ndarray, log_density: np.ndarray) -> np.ndarray:
        """Implement `FittedScore.score`.

        Where the log-density overflows, it is constant and has no gradient; the score is the lowest finite number of
        float32. So it is where the norm overflows, and where it is not a number at a row with values outside [-2, 2],
        as for the log-density of image flows.
        """
        norms = self.scorer.apply(self._norms, x)
        overflow = (log_density <= LOWEST) | np.isposinf(norms)
        if x.dtype != np.uint8:
            overflow |= np.isnan(norms) & (np.abs(x).reshape(len(x), -1).max(1) > 2)
        return np.where(overflow, LOWEST, -norms)

    def _norms(self, x: Tensor) -> Tensor:
        """Return the norms of the gradients: `(N, *shape) -> (N,)`."""
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            value = self.scorer.model.log_density(x).sum()
            (gradient,) = torch.autograd.grad(value, x, materialize_grads=True)
        return gradient.double().flatten(1).norm(dim=1)


class GradientNorm(DensityScore):
    """Settings of the gradient norm; the formula is in the module's docstring."""

    kind: Literal["gradient-norm"] = "gradient-norm"

    @property
    def title(self) -> str:
        """Implement `AnyScore.title`."""
        return "gradient norm"

    def fit(self, scorer: DensityScorer, train_x: np.ndarray) -> GradientNormScore:
        """Implement `DensityScore.fit`. Nothing is fitted."""
        return GradientNormScore(scorer)
