"""The largest class probability of a joint model.

    score(x) = max_y log p(y | x),   p(y | x) = softmax f(x)

(Hendrycks & Gimpel 2017; for joint energy models Grathwohl et al. 2020, section 5.3.)
"""

from typing import Literal

import numpy as np

from ebmood.density_scores.score import DensityScore, FittedScore, ScoredModel
from ebmood.models import DensityScorer
from ebmood.scores.max_softmax import max_log_softmax


class ClassProbabilityScore(FittedScore):
    """The logarithm of the largest class probability.

    Args:
        scorer: a trained model with several logits.
    """

    def score(self, x: np.ndarray, log_density: np.ndarray) -> np.ndarray:
        """Implement `FittedScore.score`. Probabilities are computed in float64, so that few of them are one."""
        return self.scorer.apply(lambda rows: max_log_softmax(self.scorer.logits(rows).double()), x)


class ClassProbability(DensityScore):
    """Settings of the largest class probability."""

    kind: Literal["class-probability"] = "class-probability"
    needs_classes = True

    @property
    def title(self) -> str:
        """Implement `AnyScore.title`."""
        return "max p(y|x)"

    def fit(self, scorer: DensityScorer, train_x: np.ndarray) -> ClassProbabilityScore:
        """Implement `DensityScore.fit`. Nothing is fitted.

        Raises:
            InputError: the model has no logits of classes.
        """
        name, classes = type(scorer.model).__name__, scorer.classes(train_x)
        self.check(ScoredModel(name, scorer.normalised, train_x.ndim == 4, classes))
        return ClassProbabilityScore(scorer)
