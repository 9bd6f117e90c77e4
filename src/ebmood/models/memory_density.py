"""The memory energy as a detector with scikit-learn's interface; the formula is in `ebmood.models.memory`."""

from typing import Self

import numpy as np
import torch
from sklearn.base import BaseEstimator

from ebmood.models.memory import MemoryEnergy, MemorySettings, leave_one_out, squared_distances

CHUNK_ROWS = 1024


class MemoryDensity(BaseEstimator):
    """Score rows by the logarithm of a kernel density whose bandwidth differs between training rows, up to a constant.

    Columns should be of comparable spread.

    Args:
        settings: k, c, f and w of the formula; None for the defaults.

    >>> detector = MemoryDensity().fit(np.random.default_rng(0).normal(size=(100, 2)))
    >>> near, far = detector.score_samples(np.array([[0.0, 0.0], [5.0, 5.0]]))
    >>> bool(near > far)
    True
    """

    def __init__(self, settings: MemorySettings | None = None):
        self.settings = settings

    def fit(self, X: np.ndarray, y: object = None) -> Self:
        """Keep the training rows `(N, D)`, N >= 2, and set their bandwidths; `y` is ignored."""
        rows = torch.from_numpy(np.asarray(X, dtype=np.float64))
        self.center_ = rows.mean(0)
        self.rows_ = rows - self.center_
        squared = leave_one_out(squared_distances(self.rows_, self.rows_))
        self.energy_ = MemoryEnergy(len(rows)).fit(squared, self.settings or MemorySettings())
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        """Return minus the energies: `(N, D) -> (N,)`. Higher is more in-distribution."""
        x = torch.from_numpy(np.asarray(X, dtype=np.float64)) - self.center_
        chunks = [self.energy_(squared_distances(rows, self.rows_)) for rows in x.split(CHUNK_ROWS)]
        return -torch.cat(chunks).numpy()
