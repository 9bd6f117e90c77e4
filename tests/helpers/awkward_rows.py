"""Rows that are difficult to fit, settings of the energy, and scores of a model, for tests of the score model."""

import numpy as np
import torch

from ebmood.detector.energy.fitting import fit_score_model
from ebmood.detector.energy.score_model import EnergySettings, ScoreModel
from ebmood.models.memory import MemorySettings

SETTINGS = {
    "default": EnergySettings(),
    "thinned": EnergySettings(rows=30),
    "all views": EnergySettings(
        views=(
            "standardised",
            "min-max",
            "robust",
            "normal-scores",
            "whitened",
            "whitened-normal-scores",
            "raw",
        ),
        deciding=3,
    ),
    "one view": EnergySettings(views=("normal-scores",), deciding=1),
    "three scales": EnergySettings(further_neighbours=(20, 60)),
    "clusters": EnergySettings(clusters=20, further_neighbours=(9,), deciding=1),
    "extreme": EnergySettings(memory=MemorySettings(neighbours=100, bandwidth=1e-3, power=2.0, compare=0.0)),
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


def fit(
    x: np.ndarray, settings: EnergySettings = SETTINGS["default"], seed: int = 0, **options
) -> ScoreModel:
    return fit_score_model(np.asarray(x, dtype=np.float64), settings, seed, **options).model


def score(model: ScoreModel, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(torch.from_numpy(np.asarray(x, dtype=np.float64))).numpy()
