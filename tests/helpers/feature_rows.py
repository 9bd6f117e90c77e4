"""Rows like the features of a network, for tests of views and of the score model."""

import numpy as np


def features(rows: int = 60, columns: int = 90, seed: int = 0, shape: int = 0) -> np.ndarray:
    """Return activations `(rows, columns)`: not negative, correlated, of very different spread.

    Rows of one `shape` share directions and offsets, whatever the seed.
    """
    fixed, rng = np.random.default_rng(shape), np.random.default_rng(1_000 + seed)
    directions, offsets = fixed.normal(size=(12, columns)), fixed.normal(0, 2, columns)
    x = rng.normal(size=(rows, 12)) @ directions + rng.normal(size=(rows, columns))
    return np.maximum(x + offsets, 0)
