"""Gaussians of features: means of classes, covariances, and distances."""

import torch
from torch import Tensor

from ebmood.models.memory import squared_distances
from ebmood.scores.score import FitRows

RIDGE = 1e-6
"""Added to covariances, as a fraction of the mean variance of a feature, so that they can be inverted."""


def class_means(rows: FitRows) -> Tensor:
    """Return the mean features of each class that has rows: `(C, E)`."""
    return torch.stack([rows.outputs.features[of_class].mean(0) for _, of_class in rows.class_rows])


def within_class_residuals(rows: FitRows) -> Tensor:
    """Return features minus the mean of their class: `(N, E)`."""
    residuals = rows.outputs.features.clone()
    for _, of_class in rows.class_rows:
        residuals[of_class] -= residuals[of_class].mean(0)
    return residuals


def inverse_root(residuals: Tensor, ridge: float) -> Tensor:
    """Return a matrix `(E, E)` that whitens: the inverse root of the covariance of residuals `(N, E)` with mean zero.

    Args:
        residuals: their covariance is `residuals.T @ residuals / N`.
        ridge: added to the covariance, as a fraction of the mean variance.
    """
    covariance = residuals.mT @ residuals / len(residuals)
    mean_variance = covariance.diagonal().mean()
    values, vectors = torch.linalg.eigh(covariance)
    # Features that do not vary at all have no scale; 1 keeps their distances finite.
    floor = ridge * mean_variance if mean_variance > 0 else torch.ones_like(mean_variance)
    roots = (values.clamp(min=0) + floor).clamp(min=torch.finfo(values.dtype).tiny).sqrt()
    return vectors / roots @ vectors.mT


def shrunk_inverse_root(residuals: Tensor) -> Tensor:
    """Return a matrix `(E, E)` that whitens, from a covariance that is shrunk towards equal variances.

    The amount follows from the residuals `(N, E)`: Ledoit & Wolf 2004, "A well-conditioned estimator for
    large-dimensional covariance matrices". It is small for many rows, and large for fewer rows than features.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage  # imported here because it takes half a second

    shrinkage = float(ledoit_wolf_shrinkage(residuals.cpu().numpy(), assume_centered=True))
    # (1 - s) C + s m I is C + s / (1 - s) m I up to a factor.
    return (
        inverse_root(residuals, shrinkage / max(1 - shrinkage, RIDGE) + RIDGE)
        / max(1 - shrinkage, RIDGE) ** 0.5
    )


def squared_mahalanobis(features: Tensor, means: Tensor, root: Tensor) -> Tensor:
    """Return squared distances of features `(N, E)` from means `(C, E)` in the metric of a whitening: `(N, C)`."""
    center = means.mean(0)
    return squared_distances((features - center) @ root, (means - center) @ root)
