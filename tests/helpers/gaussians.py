"""Scorers of Gaussian densities, for closed forms."""

import math

import numpy as np
import torch

from ebmood.models import DensityScorer, TiedMixture

CPU = torch.device("cpu")


def gaussian_scorer(mean, sd: float = 1.0, trained_on: str = "rows") -> DensityScorer:
    """Return the scorer of N(mean, sd^2 I)."""
    mean = torch.as_tensor(mean, dtype=torch.float64)
    model = TiedMixture(features=len(mean), components=1)
    model.means.copy_(mean[None])
    model.variances.fill_(sd**2)
    return DensityScorer(model, CPU, trained_on=trained_on)


def gaussian_log_density(x: np.ndarray, mean, sd: float = 1.0) -> np.ndarray:
    """Return log N(x; mean, sd^2 I) of rows `(N, D)`."""
    squares = np.square((x - np.asarray(mean)) / sd).sum(1)
    return -0.5 * squares - x.shape[1] * (math.log(sd) + 0.5 * math.log(2 * math.pi))
