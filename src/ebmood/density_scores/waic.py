"""WAIC: the mean log-density of an ensemble, minus the variance over its members.

    score(x) = E_m[ log p_m(x) ] - Var_m[ log p_m(x) ],   m = 1 .. M

(Watanabe-Akaike information criterion; Choi et al. 2018, "WAIC, but why? Generative ensembles for robust anomaly
detection", eq. 1.) The variance divides by M. Members of unknown constants or scales cannot be compared, so all must be
normalised.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ebmood.density_scores.score import CombinedScore, check_same_rows
from ebmood.models import DensityScorer, Scorer


class WAICScorer(Scorer):
    """The score of an ensemble of normalised models.

    Args:
        members: models that were trained on the same rows with other seeds.

    Raises:
        InputError: a member is not normalised, or was trained on other rows.
    """

    def __init__(self, members: Sequence[DensityScorer]):
        check_same_rows(members, "waic")
        self.members = members

    def score_samples(self, x: np.ndarray) -> np.ndarray:
        """Implement `Scorer.score_samples`."""
        return waic(np.stack([member.score_samples(x) for member in self.members]))


def waic(log_densities: np.ndarray) -> np.ndarray:
    """Return mean minus variance over members: `(M, N) -> (N,)`.

    >>> waic(np.array([[0.0, 1.0], [0.0, 3.0]]))
    array([0., 1.])
    """
    return log_densities.mean(0) - log_densities.var(0)


class WAIC(CombinedScore):
    """Settings of WAIC.

    Attributes:
        models: M, the members of the ensemble: the model itself, and M - 1 others with another initialisation and
            another order of the same training rows.
    """

    kind: Literal["waic"] = "waic"
    models: Annotated[int, Field(ge=2)] = 3

    @property
    def title(self) -> str:
        """Implement `AnyScore.title`."""
        return f"WAIC of {self.models}"
