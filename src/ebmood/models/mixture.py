"""A mixture of many Gaussians of one shape, normalised, that knows its own smoothed versions in closed form.

    q(x)       = sum_k w_k N(x; mu_k, C)
    q_sigma(x) = (q * N(0, sigma^2 I))(x) = sum_k w_k N(x; mu_k, C + sigma^2 I)

With `C = V diag(v) V'`, one turn of x onto the axes V serves every component, and what is left is one product of rows
and means. So at each sigma a row costs `D^2 + K D` multiplications, where components with covariances of their own cost
`K D^2`; many centres find more than few shapes (docs/results/adbench.md). Components belong to classes (one class
without labels), so that `q(x, y)` is at hand too. Fitted by k-means, which is right where clumps lie apart and no more
than a fair cover elsewhere: nothing here hangs on the likelihood.
"""

import math
import warnings
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ebmood.core.seeding import stream_seed
from ebmood.models.density import DensityModel

ROWS = 20_000
"""k-means sees at most so many rows, drawn at random."""
ROUNDS = 50
"""Rounds of k-means, at most."""
ROWS_EACH = 3
"""A class has one component for so many of its rows, at most."""
AT_ONCE = 2**22
"""Pairs of rows and components in memory at a time: 32 MB of them, for each level of noise."""


class TiedMixture(DensityModel):
    """Mixture of `classes * components` Gaussians of one full covariance over rows `(N, D)`; see the module's head.

    Computes in float64 whatever comes in: distances are differences of far larger squares.

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
        self.register_buffer("axes", torch.eye(features, dtype=torch.float64))
        self.register_buffer("variances", torch.ones(features, dtype=torch.float64))

    def class_log_density(self, x: Tensor) -> Tensor:
        """`log q(x, y)` for every class: `(N, D) -> (N, C)`."""
        return self.smoothed(self.variances.new_zeros(1))(x)[0].mT

    def log_density(self, x: Tensor) -> Tensor:
        """`log q(x)`: `(N, D) -> (N,)`."""
        return self.class_log_density(x).logsumexp(1)

    def smoothed_log_density(self, x: Tensor, sigmas: Tensor) -> Tensor:
        """`log q_sigma(x)` for every sigma: `(N, D), (L,) -> (N, L)`."""
        return self.smoothed(sigmas)(x).logsumexp(1).mT

    @torch.no_grad()
    def smoothed_score(self, x: Tensor, sigmas: Tensor) -> Tensor:
        """`grad log q_sigma(x)`, each row under a sigma of its own: `(N, D), (N, 1) -> (N, D)` in the type of x."""
        turned = x.to(torch.float64) @ self.axes
        there = self.log_weights > -math.inf
        means = self.means[there] @ self.axes
        precisions = 1 / (self.variances + sigmas.to(torch.float64).square())
        # Of each squared distance without |x|^2, which all components share.
        joint = (turned * precisions) @ means.mT - 0.5 * precisions @ means.square().mT
        share = torch.softmax(joint + self.log_weights[there], dim=1)
        return (((share @ means - turned) * precisions) @ self.axes.mT).to(x.dtype)

    @torch.no_grad()
    def smoothed(self, sigmas: Tensor) -> "SmoothedMixture":
        """The mixture at every sigma, `(L,)`, ready to be asked about rows again and again."""
        each = len(self.log_weights) // self.classes
        # Components that no class has need not be asked.
        there = self.log_weights.reshape(self.classes, each).amax(0) > -math.inf
        kept = there.repeat(self.classes)
        variances = self.variances + sigmas.to(torch.float64).square()[:, None]  # (L, D)
        volumes = 0.5 * (variances.log() + math.log(2 * math.pi)).sum(1)
        shrink = variances.rsqrt()
        centres = (self.means[kept] @ self.axes) * shrink[:, None]  # (L, K, D)
        constants = self.log_weights[kept] - volumes[:, None] - 0.5 * centres.square().sum(2)
        return SmoothedMixture(self.classes, shrink[:, :, None] * self.axes.mT, centres, constants)

    def sample(self, rows: int, generator: torch.Generator, widen: float = 1.0) -> Tensor:
        """Rows of the mixture, or of it with every standard deviation multiplied by `widen`: `(rows, D)`."""
        which = torch.multinomial(self.log_weights.exp(), rows, replacement=True, generator=generator)
        shape = (rows, self.means.shape[1])
        noise = torch.randn(shape, generator=generator, dtype=torch.float64, device=self.means.device)
        return self.means[which] + (noise * self.variances.sqrt() * widen) @ self.axes.mT

    def widened(self, widen: float) -> "TiedMixture":
        """The mixture with every standard deviation multiplied by `widen`."""
        wide = TiedMixture(self.means.shape[1], len(self.means) // self.classes, self.classes)
        wide.load_state_dict(self.state_dict())
        wide.variances.mul_(widen**2)
        return wide.to(self.means.device)

    def fit(self, x: np.ndarray, y: np.ndarray | None, floor: float, prior: float, seed: int) -> Self:
        """Fit by k-means within each class; the covariance is that of all rows about their own centres.

        It is divided by the rows less the centres, which the rows have pulled towards them, and drawn to the ball of
        its own size as `(n C + m (tr C / D) I) / (n + m)` with m = `prior` * D (Ledoit & Wolf 2004, with a weight that
        is given); then no variance along an axis is below `floor`.

        Args:
            x: `(N, D)` training rows.
            y: `(N,)` class numbers, or None.
            floor: smallest variance along any axis, > 0.
            prior: pseudo-rows per column, >= 0.
            seed: the starts of k-means are drawn from it.
        """
        components = len(self.log_weights) // self.classes
        groups = [x] if y is None else [x[y == k] for k in range(self.classes)]
        self.log_weights.fill_(-math.inf)
        scatter, seen, used = np.zeros((x.shape[1], x.shape[1])), 0, 0
        for k, rows in enumerate(groups):
            if not len(rows):
                continue
            drawn, means, nearest = _centres(rows, components, stream_seed(seed, f"mixture/{k}") % 2**32)
            weights = np.bincount(nearest, minlength=len(means)) / len(drawn)
            at = slice(k * components, k * components + len(means))
            self.log_weights[at] = torch.from_numpy(np.log(weights * len(rows) / len(x)))
            self.means[at] = torch.from_numpy(means)
            apart = drawn - means[nearest]
            scatter, seen, used = scatter + apart.T @ apart, seen + len(drawn), used + len(means)
        covariance = scatter / max(seen - used, seen / (2 * ROWS_EACH))
        pseudo = prior * x.shape[1]
        ball = np.eye(len(covariance)) * (np.trace(covariance) / len(covariance))
        covariance = (seen * covariance + pseudo * ball) / (seen + pseudo)
        variances, axes = np.linalg.eigh(covariance)
        self.variances.copy_(torch.from_numpy(np.maximum(variances, floor)))
        self.axes.copy_(torch.from_numpy(axes))
        return self


@dataclass(frozen=True)
class SmoothedMixture:
    """A mixture of K Gaussians at L levels of noise, with all that does not depend on rows worked out.

    Attributes:
        classes: C.
        axes: `(L, D, D)`, an axis in each row, over the standard deviation along it.
        centres: `(L, K, D)`, the means along the axes, in standard deviations.
        constants: `(L, K)`, all that does not depend on rows.
    """

    classes: int
    axes: Tensor
    centres: Tensor
    constants: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """`log q_sigma(x, y)`: `(N, D) -> (L, C, N)` float64, rows last, where products are fastest."""
        levels, components, _ = self.centres.shape
        rows = x.shape[0]  # by name: len(x) would fix N in a graph
        few = max(1, AT_ONCE // components)
        if not torch.compiler.is_compiling() and rows > few:
            return torch.cat([self(part) for part in x.split(few)], dim=2)
        at = self.axes @ x.to(torch.float64).mT
        joint = torch.baddbmm(self.constants[:, :, None], self.centres, at)
        joint = joint.reshape(levels, self.classes, components // self.classes, rows)
        most = joint.amax(2).clamp(min=-1e300)  # a class without rows has minus infinity everywhere
        # What is left of the exponents is small: float32 will do. Below -80 they add nothing, and take far longer.
        # In place where nothing is learnt: a second array of that size is a fifth of all scoring.
        apart = joint - most[:, :, None] if joint.requires_grad else joint.sub_(most[:, :, None])
        rest = apart.to(torch.float32).clamp_(min=-80).exp_().sum(2).log_()
        return rest.to(torch.float64) + (most - 0.5 * at.square().sum(1)[:, None])


def _centres(x: np.ndarray, components: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows that were drawn, centres of them, and which is nearest: `(n, D), (K, D), (n,)`."""
    if len(x) > ROWS:
        x = x[np.random.default_rng(seed).choice(len(x), ROWS, replace=False)]
    distinct = len(np.unique(x, axis=0))
    components = max(1, min(components, len(x) // ROWS_EACH, distinct))
    if components == 1:
        return x, x.mean(axis=0)[None], np.zeros(len(x), dtype=np.intp)
    from sklearn.cluster import KMeans  # late: a fitted mixture does not need it
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # Rows that differ by next to nothing: it finds fewer centres than there are rows.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(components, n_init="auto", max_iter=ROUNDS, random_state=seed).fit(x)  # one start
    kept, nearest = np.unique(np.asarray(found.labels_), return_inverse=True)
    return x, found.cluster_centers_[kept], nearest.ravel()
