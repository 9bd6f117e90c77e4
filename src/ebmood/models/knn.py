"""Distance to the k-th nearest training row, the oldest of the baselines (Ramaswamy et al. 2000)."""

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.neighbors import NearestNeighbors


class KNearestNeighbours(BaseEstimator):
    """Scores a row by minus its Euclidean distance to its k-th nearest training row.

    Args:
        k: which neighbour, 1 or more; training sets smaller than `k` use their last.
    """

    def __init__(self, k: int = 5):
        self.k = k

    def fit(self, X: np.ndarray, y: object = None) -> Self:
        """Index the training rows `(N, D)`; `y` is ignored."""
        self.neighbours_ = NearestNeighbors(n_neighbors=min(self.k, len(X))).fit(X)
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        """Minus the distance: `(N, D) -> (N,)`."""
        distance, _ = self.neighbours_.kneighbors(X)
        return -distance[:, -1]
