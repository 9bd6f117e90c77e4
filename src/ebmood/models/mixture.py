"""A Gaussian mixture that is normalised, can be sampled, and knows its own smoothed versions in closed form.

    q(x)       = sum_k w_k N(x; mu_k, C_k)
    q_sigma(x) = (q * N(0, sigma^2 I))(x) = sum_k w_k N(x; mu_k, C_k + sigma^2 I)

With `C_k = V_k diag(v_k) V_k'`, one projection of x on the axes V_k serves every sigma. Components belong to classes
(one class without labels), so that `q(x, y)` is at hand too. Fitted by EM (scikit-learn's) and then shrunk, because
a component with few rows has a covariance that means little.
"""

import math
import warnings
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ebmood.models.density import DensityModel
from ebmood.seeding import stream_seed

EM_ROWS = 20_000
"""EM sees at most so many rows, drawn at random."""
EM_WORK = 2e11
"""Multiplications that EM may take, about."""


class GaussianMixture(DensityModel):
    """Mixture of `classes * components` Gaussians with full covariances over rows `(N, D)`; see the module's head.

    Args:
        features: D.
        components: K, of every class. A class may leave some empty (log-weight minus infinity).
        classes: C, 1 without labels.
    """

    normalised = True
    log_weights: Tensor
    means: Tensor
    axes: Tensor
    variances: Tensor

    def __init__(self, features: int, components: int, classes: int = 1):
        super().__init__()
        every = classes * components
        self.classes = classes
        self.register_buffer("log_weights", torch.full((every,), -math.log(every), dtype=torch.float64))
        self.register_buffer("means", torch.zeros(every, features, dtype=torch.float64))
        self.register_buffer("axes", torch.eye(features, dtype=torch.float64).repeat(every, 1, 1))
        self.register_buffer("variances", torch.ones(every, features, dtype=torch.float64))

    def class_log_density(self, x: Tensor) -> Tensor:
        """`log q(x, y)` for every class: `(N, D) -> (N, C)`."""
        return self.joint(x, self.variances.new_zeros(1))[:, :, 0]

    def log_density(self, x: Tensor) -> Tensor:
        """`log q(x)`: `(N, D) -> (N,)`."""
        return over_classes(self.class_log_density(x))

    def smoothed_log_density(self, x: Tensor, sigmas: Tensor) -> Tensor:
        """`log q_sigma(x)` for every sigma: `(N, D), (L,) -> (N, L)`."""
        return over_classes(self.joint(x, sigmas))

    def joint(self, x: Tensor, sigmas: Tensor) -> Tensor:
        """`log q_sigma(x, y)`: `(N, D), (L,) -> (N, C, L)`."""
        components, features = self.means.shape
        variances = self.variances[:, :, None] + sigmas.to(torch.float64).square()  # (K, D, L)
        volume = 0.5 * variances.log().sum(1) + 0.5 * features * math.log(2 * math.pi)
        constant = (self.log_weights[:, None] - volume)[:, :, None]
        axes = self.axes.mT
        centre = (axes @ self.means[:, :, None]).to(x.dtype)
        # Rows last: products with few levels are twice as fast so. In place: (K, D, N) numbers fill the caches.
        squares = torch.matmul(axes.to(x.dtype), x.mT).sub_(centre).square_()  # along each Gaussian's axes
        joint = torch.baddbmm(constant.to(x.dtype), (-0.5 / variances.mT).to(x.dtype), squares)  # (K, L, N)
        # By name: len(x) would fix N in a graph.
        shape = (self.classes, components // self.classes, len(sigmas), x.shape[0])
        return torch.logsumexp(joint.reshape(shape), dim=1).permute(2, 0, 1)

    def sample(self, rows: int, generator: torch.Generator, widen: float = 1.0) -> Tensor:
        """Rows of the mixture, or of it with every standard deviation multiplied by `widen`: `(rows, D)`."""
        which = torch.multinomial(self.log_weights.exp(), rows, replacement=True, generator=generator)
        shape = (rows, self.means.shape[1])
        noise = torch.randn(shape, generator=generator, dtype=torch.float64, device=self.means.device)
        steps = noise * self.variances[which].sqrt() * widen
        # Rows of one Gaussian together, so that its axes are read once and not copied for every row.
        order = which.argsort()
        parts = steps[order].split(which.bincount(minlength=len(self.means)).tolist())
        steps[order] = torch.cat([part @ axes.mT for part, axes in zip(parts, self.axes, strict=True)])
        return self.means[which] + steps

    def widened(self, widen: float) -> "GaussianMixture":
        """The mixture with every standard deviation multiplied by `widen`."""
        wide = GaussianMixture(self.means.shape[1], len(self.means) // self.classes, self.classes)
        wide.load_state_dict(self.state_dict())
        wide.variances.mul_(widen**2)
        return wide.to(self.means.device)

    def fit(self, x: np.ndarray, y: np.ndarray | None, floor: float, prior: float, seed: int) -> Self:
        """Fit by EM within each class, then shrink.

        A component of n rows gets `(n C + m P) / (n + m)`, with m = `prior` * D pseudo-rows of the pooled covariance P,
        itself shrunk to its own diagonal in the same way; then no variance is below `floor`. A class has no more
        components than one for every max(10, D) rows.

        Args:
            x: `(N, D)` training rows.
            y: `(N,)` class numbers, or None.
            floor: smallest variance along any axis, > 0.
            prior: pseudo-rows per column, >= 0.
            seed: EM's start is drawn from it.
        """
        components = len(self.log_weights) // self.classes
        groups = [x] if y is None else [x[y == k] for k in range(self.classes)]
        self.log_weights.fill_(-math.inf)
        for k, rows in enumerate(groups):
            if not len(rows):
                continue
            weights, means, covariances = _em(
                rows, components, floor, stream_seed(seed, f"mixture/{k}") % 2**32
            )
            covariances = _shrunk(weights, covariances, len(rows), prior)
            variances, axes = np.linalg.eigh(covariances)
            at = slice(k * components, k * components + len(weights))
            self.log_weights[at] = torch.from_numpy(np.log(weights * len(rows) / len(x)))
            self.means[at] = torch.from_numpy(means)
            self.variances[at] = torch.from_numpy(np.maximum(variances, floor))
            self.axes[at] = torch.from_numpy(axes)
        return self


def over_classes(joint: Tensor) -> Tensor:
    """`log sum_y q(x, y)` over the second axis."""
    return joint.squeeze(1) if joint.shape[1] == 1 else torch.logsumexp(joint, dim=1)


def _em(x: np.ndarray, components: int, floor: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if len(x) > EM_ROWS:
        x = x[np.random.default_rng(seed).choice(len(x), EM_ROWS, replace=False)]
    distinct = len(np.unique(x, axis=0))
    components = max(1, min(components, len(x) // max(10, x.shape[1]), distinct))
    if components == 1:
        mean = x.mean(axis=0)
        return np.ones(1), mean[None], ((x - mean).T @ (x - mean) / len(x))[None]
    from sklearn import mixture  # late: a fitted mixture does not need it
    from sklearn.exceptions import ConvergenceWarning

    # Wide tables: a step costs N K D^2, and a few from the start of k-means must do.
    steps = int(np.clip(EM_WORK / (len(x) * components * x.shape[1] ** 2), 5, 60))
    em = mixture.GaussianMixture(components, reg_covar=floor, tol=1e-3, max_iter=steps, random_state=seed)
    with warnings.catch_warnings():
        # A mixture that EM has not quite settled on is a density like any other.
        warnings.simplefilter("ignore", ConvergenceWarning)
        em.fit(x)
    weights, means, covariances = (np.asarray(v) for v in (em.weights_, em.means_, em.covariances_))
    kept = weights > 1e-12
    return weights[kept] / weights[kept].sum(), means[kept], covariances[kept]


def _shrunk(weights: np.ndarray, covariances: np.ndarray, rows: int, prior: float) -> np.ndarray:
    pseudo = prior * covariances.shape[1]
    pooled = np.einsum("k,kij->ij", weights, covariances)
    pooled = (rows * pooled + pseudo * np.diag(np.diag(pooled))) / (rows + pseudo)
    share = (weights * rows / (weights * rows + pseudo))[:, None, None]
    return share * covariances + (1 - share) * pooled
