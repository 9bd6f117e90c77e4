"""Typicality: the distance of a log-density from its mean, which is minus the entropy.

    score(x)           = -| log p(x) - m |,                        m = mean of log p over the training rows
    score(x_1 .. x_M)  = -| (1/M) sum_i log p(x_i) - m |

(Nalisnick et al. 2019, "Detecting out-of-distribution inputs to deep generative models using typicality", eq. 5; -m is
their estimate of the entropy.) In high dimensions almost all of the mass lies where log p is near m, and not where it
is largest. An unknown constant of log p cancels, and an unknown scale does not change the order of the scores.
"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ebmood.core.errors import InputError
from ebmood.density_scores.score import DensityScore, FittedScore
from ebmood.models import DensityScorer


class TypicalityScore(FittedScore):
    """Minus the distance of a mean log-density from that of the training rows.

    Args:
        scorer: the trained model.
        mean: mean log-density of the training rows.
        rows: M, the rows of a batch.
    """

    def __init__(self, scorer: DensityScorer, mean: float, rows: int):
        super().__init__(scorer)
        self.mean, self.rows = mean, rows

    def score(self, x: np.ndarray, log_density: np.ndarray) -> np.ndarray:
        """Return one score for every batch of M consecutive rows, `(N // M,)`. An incomplete last batch has none.

        Raises:
            InputError: there are fewer than M rows.
        """
        batches = len(log_density) // self.rows
        if batches == 0:
            raise InputError(
                f"typicality of batches of {self.rows} rows: a set has {len(log_density)} rows; use smaller batches"
            )
        means = log_density[: batches * self.rows].reshape(batches, self.rows).mean(1)
        return -np.abs(means - self.mean)


class Typicality(DensityScore):
    """Settings of typicality; the formula is in the module's docstring.

    Attributes:
        rows: M, the rows of a batch that are scored together; 1 scores every row by itself.
    """

    kind: Literal["typicality"] = "typicality"
    rows: Annotated[int, Field(ge=1)] = 1

    @property
    def title(self) -> str:
        """Implement `AnyScore.title`."""
        return "typicality" if self.rows == 1 else f"typicality of {self.rows} rows"

    def fit(self, scorer: DensityScorer, train_x: np.ndarray) -> TypicalityScore:
        """Implement `DensityScore.fit`."""
        return TypicalityScore(scorer, float(scorer.score_samples(train_x).mean()), self.rows)
