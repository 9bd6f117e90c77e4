"""A mixture of Gaussians with one shared covariance; its convolution with Gaussian noise has a closed form.

    q(x)       = sum_k w_k N(x; mu_k, C)
    q_sigma(x) = (q * N(0, sigma^2 I))(x) = sum_k w_k N(x; mu_k, C + sigma^2 I)

With the eigendecomposition `C = V diag(v) V'`, a row is rotated by V once for all components, and the remaining work
is one matrix product of rows and means. At each sigma a row costs `D^2 + K D` multiplications; separate covariances
would cost `K D^2`. Every component belongs to a class (there is one class without labels), so that q(x, y) is
available, too.

The mixture is fitted by k-means. That is accurate for well-separated clusters and a reasonable approximation otherwise;
no method of this package needs the maximum of the likelihood.
"""

import math
import warnings
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from ebmood.core.seeding import stream_seed
from ebmood.core.threads import openmp_threads
from ebmood.models.density import DensityModel
from ebmood.models.log_sum_exp import log_sum_exp_

MAX_ROWS = 20_000
"""Rows that k-means uses at most; they are drawn at random."""
MAX_ITERATIONS = 50
"""Iterations of k-means at most."""
ROWS_PER_COMPONENT = 3
"""Rows that a class has at least for each of its components."""
CHUNK_SIZE = 2**22
"""Pairs of rows and components in memory at a time: 32 MB for each noise level."""


class TiedMixture(DensityModel):
    """A mixture of `classes * components` Gaussians with one shared covariance, over rows `(N, D)`.

    All results are computed in float64, since distances are differences of much larger squares.

    Args:
        features: D.
        components: K, the number of components of every class. Unused ones have a log-weight of minus infinity.
        classes: C; 1 without labels.

    Attributes:
        log_weights: `(C K,)`, log w_k. The components of a class are adjacent.
        means: `(C K, D)`.
        axes: `(D, D)`, the eigenvectors V of the covariance, in columns.
        variances: `(D,)`, its eigenvalues v.

    >>> mixture = TiedMixture(features=2, components=1)  # a standard normal
    >>> mixture.log_density(torch.zeros(1, 2)).exp()  # 1 / (2 pi)
    tensor([0.1592], dtype=torch.float64)
    >>> mixture.smoothed_log_density(torch.zeros(1, 2), torch.tensor([0.0, 1.0])).exp()
    tensor([[0.1592, 0.0796]], dtype=torch.float64)
    """

    normalised = True
    log_weights: Tensor
    means: Tensor
    axes: Tensor
    variances: Tensor

    def __init__(self, features: int, components: int, classes: int = 1):
        super().__init__()
        total = classes * components
        self.classes = classes
        self.register_buffer("log_weights", torch.full((total,), -math.log(total), dtype=torch.float64))
        self.register_buffer("means", torch.zeros(total, features, dtype=torch.float64))
        self.register_buffer("axes", torch.eye(features, dtype=torch.float64))
        self.register_buffer("variances", torch.ones(features, dtype=torch.float64))

    def class_log_density(self, x: Tensor) -> Tensor:
        """Return `log q(x, y)` for every class y: `(N, D) -> (N, C)`."""
        return self.smoothed(self.variances.new_zeros(1))(x)[0].mT

    def log_density(self, x: Tensor) -> Tensor:
        """Return `log q(x)`: `(N, D) -> (N,)`."""
        return self.class_log_density(x).logsumexp(1)

    def smoothed_log_density(self, x: Tensor, sigmas: Tensor) -> Tensor:
        """Return `log q_sigma(x)` for every sigma: `(N, D), (L,) -> (N, L)`."""
        return self.smoothed(sigmas)(x).logsumexp(1).mT

    @torch.no_grad()
    def smoothed_score(self, x: Tensor, sigmas: Tensor) -> Tensor:
        """Return `grad log q_sigma(x)` with one sigma for each row: `(N, D), (N, 1) -> (N, D)` in the dtype of x."""
        used = self.log_weights > -math.inf
        rotated = x.to(torch.float64) @ self.axes
        means = self.means[used] @ self.axes
        precisions = 1 / (self.variances + sigmas.to(torch.float64).square())
        # log N(x; mu_k, .) without the terms that are equal for all components
        log_likelihoods = (rotated * precisions) @ means.mT - 0.5 * precisions @ means.square().mT
        responsibilities = torch.softmax(log_likelihoods + self.log_weights[used], dim=1)
        score = (responsibilities @ means - rotated) * precisions
        return (score @ self.axes.mT).to(x.dtype)

    @torch.no_grad()
    def smoothed(self, sigmas: Tensor) -> "SmoothedMixture":
        """Return the mixture at every sigma `(L,)`, prepared for repeated evaluation."""
        per_class = len(self.log_weights) // self.classes
        # Components that are unused in all classes are left out.
        used = self.log_weights.reshape(self.classes, per_class).amax(0) > -math.inf
        used = used.repeat(self.classes)
        variances = self.variances + sigmas.to(torch.float64).square()[:, None]  # (L, D)
        log_normalisers = 0.5 * (variances.log() + math.log(2 * math.pi)).sum(1)
        inverse_deviations = variances.rsqrt()
        means = (self.means[used] @ self.axes) * inverse_deviations[:, None]  # (L, K, D)
        constants = self.log_weights[used] - log_normalisers[:, None] - 0.5 * means.square().sum(2)
        return SmoothedMixture(self.classes, inverse_deviations[:, :, None] * self.axes.mT, means, constants)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw rows of the mixture: `(count, D)`."""
        components = torch.multinomial(self.log_weights.exp(), count, replacement=True, generator=generator)
        shape = (count, self.means.shape[1])
        noise = torch.randn(shape, generator=generator, dtype=torch.float64, device=self.means.device)
        return self.means[components] + (noise * self.variances.sqrt()) @ self.axes.mT

    def widened(self, factor: float) -> "TiedMixture":
        """Return the mixture with the standard deviations of all components multiplied by `factor`."""
        wide = TiedMixture(self.means.shape[1], len(self.means) // self.classes, self.classes)
        wide.load_state_dict(self.state_dict())
        wide.variances.mul_(factor**2)
        return wide.to(self.means.device)

    def fit(self, x: np.ndarray, y: np.ndarray | None, floor: float, prior: float, seed: int) -> Self:
        """Fit means and weights by k-means within each class, then the shared covariance.

        The covariance C is the scatter of the rows about their cluster's mean, divided by the number of rows minus the
        number of means. It is shrunk towards a multiple of the identity as `(n C + m (tr C / D) I) / (n + m)` with `m =
        prior * D` (Ledoit & Wolf 2004, with a fixed weight). Finally its eigenvalues are clipped at `floor`.

        Args:
            x: training rows `(N, D)`.
            y: class numbers `(N,)`, or None.
            floor: smallest variance along any axis, > 0.
            prior: pseudo-rows per column, >= 0.
            seed: seed of the initial centres of k-means.
        """
        components = len(self.log_weights) // self.classes
        classes = [x] if y is None else [x[y == k] for k in range(self.classes)]
        self.log_weights.fill_(-math.inf)
        scatter, rows, centres = np.zeros((x.shape[1], x.shape[1])), 0, 0
        for k, class_rows in enumerate(classes):
            if not len(class_rows):
                continue
            clusters = _k_means(class_rows, components, stream_seed(seed, f"mixture/{k}") % 2**32)
            at = slice(k * components, k * components + len(clusters.means))
            weights = clusters.fractions() * len(class_rows) / len(x)
            self.log_weights[at] = torch.from_numpy(np.log(weights))
            self.means[at] = torch.from_numpy(clusters.means)
            scatter = scatter + clusters.scatter()
            rows, centres = rows + len(clusters.rows), centres + len(clusters.means)
        covariance = scatter / max(rows - centres, rows / (2 * ROWS_PER_COMPONENT))
        variances, axes = np.linalg.eigh(_shrink(covariance, rows, prior))
        self.variances.copy_(torch.from_numpy(np.maximum(variances, floor)))
        self.axes.copy_(torch.from_numpy(axes))
        return self


@dataclass(frozen=True)
class SmoothedMixture:
    """A mixture of K Gaussians in each of C classes at L noise levels, with all terms that do not depend on rows.

    Attributes:
        classes: C.
        axes: `(L, D, D)`, the eigenvectors in rows, each divided by the standard deviation along it.
        means: `(L, C K, D)`, the means in coordinates of `axes`.
        constants: `(L, C K)`, the sum of all terms of the log-density that do not depend on the row.
    """

    classes: int
    axes: Tensor
    means: Tensor
    constants: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Return `log q_sigma(x, y)`: `(N, D) -> (L, C, N)` float64. Rows are last, where products are fastest."""
        rows = x.shape[0]  # not len(x), which would fix N in an exported graph
        limit = max(1, CHUNK_SIZE // self.means.shape[1])
        if not torch.compiler.is_compiling() and rows > limit:
            return torch.cat([self(chunk) for chunk in x.split(limit)], dim=2)
        whitened = self.axes @ x.to(torch.float64).mT
        products = torch.baddbmm(self.constants[:, :, None], self.means, whitened)
        half_squares = 0.5 * whitened.square().sum(1)[:, None]
        by_component = products.unflatten(1, (self.classes, -1)).mT.contiguous()
        return log_sum_exp_(by_component) - half_squares


class _Clusters(NamedTuple):
    """Rows `(n, D)`, their K means `(K, D)`, and the number of each row's cluster `(n,)`."""

    rows: np.ndarray
    means: np.ndarray
    labels: np.ndarray

    def fractions(self) -> np.ndarray:
        return np.bincount(self.labels, minlength=len(self.means)) / len(self.rows)

    def scatter(self) -> np.ndarray:
        residuals = self.rows - self.means[self.labels]
        return residuals.T @ residuals


def _k_means(x: np.ndarray, components: int, seed: int) -> _Clusters:
    """Cluster at most `MAX_ROWS` of the rows into at most `components` clusters."""
    if len(x) > MAX_ROWS:
        x = x[np.random.default_rng(seed).choice(len(x), MAX_ROWS, replace=False)]
    distinct = len(np.unique(x, axis=0))
    components = max(1, min(components, len(x) // ROWS_PER_COMPONENT, distinct))
    if components == 1:
        return _Clusters(x, x.mean(axis=0)[None], np.zeros(len(x), dtype=np.intp))
    from sklearn.cluster import KMeans  # imported here, since only fitting needs it
    from sklearn.exceptions import ConvergenceWarning

    with openmp_threads(), warnings.catch_warnings():
        # It warns when rows are nearly equal and it finds fewer clusters.
        warnings.simplefilter("ignore", ConvergenceWarning)
        k_means = KMeans(components, n_init="auto", max_iter=MAX_ITERATIONS, random_state=seed).fit(x)
    used, labels = np.unique(np.asarray(k_means.labels_), return_inverse=True)
    return _Clusters(x, k_means.cluster_centers_[used], labels.ravel())


def _shrink(covariance: np.ndarray, rows: int, prior: float) -> np.ndarray:
    """Return the weighted mean of the covariance and the multiple of the identity that has the same trace."""
    pseudo_rows = prior * len(covariance)
    sphere = np.eye(len(covariance)) * (np.trace(covariance) / len(covariance))
    return (rows * covariance + pseudo_rows * sphere) / (rows + pseudo_rows)
