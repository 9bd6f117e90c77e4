"""The distance to the k-th nearest training row as an outlier score (Ramaswamy et al. 2000)."""

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.neighbors import NearestNeighbors


class KNearestNeighbours(BaseEstimator):
    """Score rows by minus the Euclidean distance to the k-th nearest training row.

    Args:
        k: rank of the neighbour, >= 1. With fewer than `k` training rows, the farthest one is used.

    >>> detector = KNearestNeighbours(k=2).fit(np.array([[0.0], [1.0], [5.0]]))
    >>> detector.score_samples(np.array([[0.0]]))
    array([-1.])
    """

    def __init__(self, k: int = 5):
        self.k = k

    def fit(self, X: np.ndarray, y: object = None) -> Self:
        """Index the training rows `(N, D)`; `y` is ignored."""
        self.neighbours_ = NearestNeighbors(n_neighbors=min(self.k, len(X))).fit(X)
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        """Return minus the distances: `(N, D) -> (N,)`. Higher is more in-distribution."""
        distances, _ = self.neighbours_.kneighbors(X)
        return -distances[:, -1]
