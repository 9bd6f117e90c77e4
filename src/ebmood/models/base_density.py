"""The base of the modern energies as a detector with scikit-learn's interface: what they are without their network."""

from typing import Self

import numpy as np
import torch
from sklearn.base import BaseEstimator

from ebmood.models.mixture import TiedMixture

CHUNK_ROWS = 1024


class BaseDensity(BaseEstimator):
    """Score rows by the log-density of a mixture of Gaussians with one covariance, see `TiedMixture`.

    The defaults are those of `WhitenedMLP`.

    Args:
        components: number of Gaussians.
        floor: smallest variance along any axis.
        prior: shrinkage of the covariance, in pseudo-rows per column.
        noise: standard deviation of noise on the rows, in units of the covariance: it is multiplied by `1 + noise^2`.
        random_state: seed of k-means.

    >>> detector = BaseDensity(components=1).fit(np.random.default_rng(0).normal(size=(100, 2)))
    >>> near, far = detector.score_samples(np.array([[0.0, 0.0], [5.0, 5.0]]))
    >>> bool(near > far)
    True
    """

    def __init__(
        self,
        components: int = 64,
        floor: float = 1e-4,
        prior: float = 0.3,
        noise: float = 0.5,
        random_state: int = 0,
    ):
        self.components = components
        self.floor = floor
        self.prior = prior
        self.noise = noise
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: object = None) -> Self:
        """Fit the mixture to rows `(N, D)`; `y` is ignored."""
        rows = np.asarray(X, dtype=np.float64)
        mixture = TiedMixture(rows.shape[1], self.components)
        mixture.fit(rows, None, self.floor, self.prior, self.random_state)
        mixture.variances.mul_(1 + self.noise**2)
        self.mixture_ = mixture
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        """Return log-densities: `(N, D) -> (N,)`."""
        x = torch.from_numpy(np.asarray(X, dtype=np.float64))
        return torch.cat([self.mixture_.log_density(rows) for rows in x.split(CHUNK_ROWS)]).numpy()
