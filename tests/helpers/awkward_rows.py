"""Rows that are difficult to fit, settings of the energy, and scores of a model, for tests of the score model."""

import numpy as np
import torch

from ebmood.detector.score_model import EnergySettings, ScoreModel

SETTINGS = {
    "all": EnergySettings(steps=20, members=1, hidden=(16,), sigmas=(0.1, 1.0), components=3),
    "mean": EnergySettings(
        steps=20, members=1, hidden=(16,), sigmas=(0.1, 1.0), components=3, combine="mean"
    ),
    "base": EnergySettings(components=3, denoising=False, contrast=False),
    "extreme": EnergySettings(
        steps=20, members=1, hidden=(8,), sigmas=(50.0,), floor=1e4, lr=0.3, components=1
    ),
}


def awkward_rows() -> np.ndarray:
    """Return `(110, 6)` with normal, categorical, heavy-tailed, constant, rare and shifted columns, and duplicates."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 6))
    x[:, 1] = rng.integers(0, 3, 90)
    x[:, 2] = np.exp(3 * x[:, 2])
    x[:, 3] = 7.0
    x[:, 4] = (rng.random(90) < 0.05) * 1e6
    x[:, 5] = 1e9 + 1e-3 * x[:, 0]
    return np.concatenate([x, x[:20]])


def score(model: ScoreModel, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(torch.from_numpy(np.asarray(x, dtype=np.float64))).numpy()
