"""The likelihood ratio to a background model.

    score(x) = log p(x) - log p_background(x)

(Ren et al. 2019, "Likelihood ratios for out-of-distribution detection", eq. 5.) The background model learns from
perturbed training rows: each value is replaced, with probability mu, by a uniform one of the range of the training
rows. What both models know of an input, such as its smoothness, cancels. Both log-densities must be in nats; the scales
of two energies may differ.

The rows are perturbed once, before training, and so are the validation rows of early stopping. Ren et al. choose mu and
a weight decay on out-of-distribution rows; here mu is a setting.
"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ebmood.density_scores.score import LOWEST, CombinedScore, check_same_rows
from ebmood.models import DensityScorer, Scorer


class LikelihoodRatioScorer(Scorer):
    """The difference of the log-densities of two normalised models.

    Args:
        model: the model.
        background: the background model, trained on the same rows after they were perturbed.

    Raises:
        InputError: a model is not normalised, or the background was trained on other data.
    """

    def __init__(self, model: DensityScorer, background: DensityScorer):
        check_same_rows([model, background], "likelihood-ratio")
        self.model, self.background = model, background

    def score_samples(self, x: np.ndarray) -> np.ndarray:
        """Implement `Scorer.score_samples`.

        Where a log-density overflows, the score is the lowest finite number of float32.
        """
        above, below = self.model.score_samples(x), self.background.score_samples(x)
        return np.where(np.minimum(above, below) <= LOWEST, LOWEST, above - below)


def perturbed(rows: np.ndarray, rate: float, like: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return a copy of rows in which each value is replaced with probability `rate` by a uniform value.

    Args:
        rows: rows `(N, *shape)`. Bytes are replaced by bytes 0 to 255; columns of a table by values between the
            smallest and the largest of `like`.
        rate: mu, in [0, 1].
        like: the training rows, `(M, *shape)`.
        generator: source of randomness.
    """
    if rows.dtype == np.uint8:
        noise = generator.integers(0, 256, rows.shape, dtype=np.uint8)
    else:
        noise = generator.uniform(like.min(0), like.max(0), rows.shape).astype(rows.dtype)
    return np.where(generator.random(rows.shape, dtype=np.float32) < rate, noise, rows)


class LikelihoodRatio(CombinedScore):
    """Settings of the likelihood ratio.

    Attributes:
        mutation: mu, the probability with which a value of a training row is replaced.
    """

    kind: Literal["likelihood-ratio"] = "likelihood-ratio"
    mutation: Annotated[float, Field(gt=0, le=1)] = 0.2

    @property
    def title(self) -> str:
        """Implement `AnyScore.title`."""
        return f"likelihood ratio, mutation {self.mutation:g}"
