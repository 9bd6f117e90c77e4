"""The default score of a table: preprocessing and energy in one module.

Provisional: a robustly standardised, shrunk Gaussian.
"""

import math
from collections.abc import Callable
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from ebmood.settings import Settings

WIDEST = 1e6  # standardised values are clipped here, so that a row at 1e300 still has a finite score


class EnergySettings(Settings):
    """Every choice of the default energy.

    Attributes:
        shrinkage: how far the covariance is drawn towards its diagonal (0 to 1).
    """

    shrinkage: float = 0.1


class ScoreModel(nn.Module):
    """Raw float64 rows `(N, D)` -> float64 scores `(N,)`; higher is more in-distribution.

    All fitted numbers are parameters or buffers, so `blank(...)` and `load_state_dict` rebuild a fitted model.

    Args:
        settings: what the model was built with.
        features: D.
        classes: number of classes K, 0 without labels.
    """

    center: Tensor
    scale: Tensor
    mean: Tensor
    whitener: Tensor

    def __init__(self, settings: EnergySettings, features: int, classes: int = 0):
        super().__init__()
        self.settings = settings
        self.features = features
        self.classes = classes
        parts = max(classes, 1)
        self.register_buffer("center", torch.zeros(features, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(features, dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(parts, features, dtype=torch.float64))
        self.register_buffer("whitener", torch.eye(features, dtype=torch.float64).repeat(parts, 1, 1))

    @classmethod
    def blank(cls, settings: EnergySettings, features: int, classes: int = 0) -> Self:
        """A model of the right shape whose state is still to be loaded."""
        return cls(settings, features, classes)

    def class_scores(self, x: Tensor) -> Tensor:
        """Score of every row under every class: `(N, D) -> (N, K)`."""
        z = ((x - self.center) / self.scale).clamp(-WIDEST, WIDEST)
        whitened = torch.einsum("nkd,kde->nke", z[:, None] - self.mean, self.whitener)
        distance = whitened.square().sum(-1)
        volume = self.whitener.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return -0.5 * distance + volume

    def parts(self, x: Tensor) -> dict[str, Tensor]:
        """Scores of the base density alone and of the energy alone, each `(N,)`."""
        return {"base": torch.logsumexp(self.class_scores(x), dim=1)}

    def forward(self, x: Tensor) -> Tensor:
        """Scores of raw rows: `(N, D) -> (N,)`."""
        return self.parts(x)["base"]


def fit_energy(
    x: np.ndarray,
    settings: EnergySettings,
    seed: int,
    device: str = "cpu",
    report: Callable[[int, int], None] | None = None,
    y: np.ndarray | None = None,
    gamma: float = 1.0,
) -> ScoreModel:
    """Fit the default energy.

    Args:
        x: `(N, D)` finite training rows in raw units, N >= 2.
        settings: of the energy.
        seed: of all randomness.
        device: of training; the model comes back on it.
        report: called with (steps done, steps in all) now and then.
        y: `(N,)` class numbers 0..K-1, for a supervised fit.
        gamma: weight of the cross-entropy in a supervised fit (without use in this provisional model).
    """
    classes = 0 if y is None else int(y.max()) + 1
    model = ScoreModel(settings, x.shape[1], classes)
    center = np.median(x, axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        quartiles = np.quantile(x, [0.25, 0.75], axis=0)
        spread = (quartiles[1] - quartiles[0]) / 1.349
        extent = np.abs(x - center).max(axis=0)
    scale = np.where(spread > 0, spread, extent)
    scale = np.where((scale > 0) & np.isfinite(scale), scale, np.maximum(np.abs(center), 1.0) * 1e-3)
    with np.errstate(over="ignore"):
        z = np.clip((x - center) / scale, -100.0, 100.0)
    for part in range(max(classes, 1)):
        rows = z if y is None else z[y == part]
        deviation = rows - rows.mean(axis=0)
        covariance = deviation.T @ deviation / max(len(rows), 1)
        diagonal = np.diag(np.diag(covariance) + 1e-3)
        covariance = (1 - settings.shrinkage) * covariance + settings.shrinkage * diagonal
        covariance += 1e-6 * np.eye(len(covariance))
        model.mean[part] = torch.from_numpy(rows.mean(axis=0))
        factor = torch.linalg.cholesky(torch.from_numpy(np.linalg.inv(covariance)))
        model.whitener[part] = factor
    model.center.copy_(torch.from_numpy(center))
    model.scale.copy_(torch.from_numpy(scale))
    if report is not None:
        report(1, 1)
    assert math.isfinite(float(model.scale.sum()))
    return model.to(device)
