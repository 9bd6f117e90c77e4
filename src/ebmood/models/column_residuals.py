"""How far the values of single columns are from what the other columns of their row predict.

    g = P z,    P = (C + l I)^(-1),    length_b(x) = sqrt(g_b' (P_bb)^(-1) g_b)

z are the standardised coordinates of a row: the normal scores of its numbers, and for every category an indicator of
each of its groups. C is their correlation matrix, and b are the coordinates of one column. If z is normal with
precision P, then `(P_bb)^(-1) g_b` is the difference between z_b and its mean given all other coordinates, and
length_b is its Mahalanobis distance. For one coordinate it is `|g_j| / sqrt(P_jj)`.

Every length is then replaced by its normal score among the leave-one-out lengths of the training rows, so that columns
with heavy tails do not decide alone. The score is interpolated between a few quantiles from the median on. Above the
largest length it grows linearly. The energy of a row is the largest value over its columns. It finds rows in which one
value does not fit the others, also among many columns that do not depend on it. Rousseeuw and Van den Bossche (2018,
"Detecting deviating data cells") have the same aim.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

RIDGE = 1e-3
"""Smallest l. With N rows, `2 / N` is added to it."""

LEVELS = (0.5, 0.75, 0.9, 0.95, 0.98, 1.0)
"""Levels of the quantiles of lengths. Below the median the score is 0."""

TINY = 1e-9
"""Smallest distance of two quantiles."""

SMALLEST_UNIT = 1e-2
"""Smallest unit of lengths above those of the training rows."""


class ColumnResiduals(nn.Module):
    """The largest residual of a column given the others; see the module's docstring.

    With numbers and categories there are two energies: over all columns, and over the categories.

    Args:
        numbers: number of numeric columns P.
        groups: for each of J category columns the number of its groups. Other group numbers are unseen levels.

    Attributes:
        center, scale: `(E,)`, means and deviations of the coordinates.
        projection: `(E, E)`; the length of a column is the norm of its part of `projection' z`.
        quantiles: `(Q, P + J)`, quantiles of the leave-one-out lengths of each column.
        scores: `(Q,)`, their normal scores.
        unit: `(P + J,)`, the distance from the median to the 95th percentile.
    """

    center: Tensor
    scale: Tensor
    projection: Tensor
    quantiles: Tensor
    scores: Tensor
    unit: Tensor
    membership: Tensor

    def __init__(self, numbers: int, groups: Sequence[int]):
        super().__init__()
        self.numbers = numbers
        self.groups = tuple(groups)
        sizes = (1,) * numbers + self.groups
        width, columns = sum(sizes), len(sizes)
        column = torch.tensor(
            [j for j, size in enumerate(self.groups) for _ in range(size)], dtype=torch.int64
        )
        membership = (column[:, None] == torch.arange(len(self.groups))).to(torch.float64)
        self.register_buffer("membership", membership, persistent=False)
        for name, tensor in (
            ("center", torch.zeros(width)),
            ("scale", torch.ones(width)),
            ("projection", torch.zeros(width, width)),
            ("quantiles", torch.zeros(len(LEVELS), columns)),
            ("scores", torch.zeros(len(LEVELS))),
            ("unit", torch.ones(columns)),
        ):
            self.register_buffer(name, tensor.to(torch.float64))

    @property
    def energies(self) -> int:
        """The number A of energies."""
        return 2 if self.numbers and self.groups else 1

    def fit(self, normal_scores: Tensor, groups: Tensor, left_out: Tensor | None = None) -> Tensor:
        """Fit the model, and return the leave-one-out energies of the training rows, `(A, N)`.

        Without row i, C becomes `C - z_i z_i' / (N - 1)` up to a factor of `N / (N - 1)`, and P changes by the formula
        of Sherman and Morrison, with the leverage `z_i' P z_i / (N - 1)`. The normal scores and l stay those of all
        rows.

        Args:
            normal_scores: `(N, P)` normal scores of the numbers of the training rows, N >= 2.
            groups: `(N, J)` group numbers of their categories.
            left_out: `(N, J)` group numbers in which a level is unseen if no other row has it; None for `groups`.
        """
        coordinates = self._coordinates(normal_scores, groups)
        count = len(coordinates)
        self.center.copy_(coordinates.mean(0))
        deviations = coordinates.std(0, correction=0)
        varying = deviations > 1e-9
        self.scale.copy_(torch.where(varying, deviations, 1.0))
        z = (coordinates - self.center) / self.scale
        covariance = z.mT @ z / count + torch.diag((RIDGE + 2 / count) + (~varying).to(torch.float64))
        precision = torch.linalg.inv(covariance)
        self.projection.copy_(precision @ self._inverse_roots(precision))
        if left_out is not None:
            z = (self._coordinates(normal_scores, left_out) - self.center) / self.scale
        squared = self._norms(z @ self.projection).square()
        leverage = ((z @ precision) * z).sum(1).div(count - 1).clamp(max=1 - 1e-6)[:, None]
        squared = squared / (1 - leverage) / (1 - leverage + squared / (count - 1)) * (count / (count - 1))
        lengths = squared.sqrt()
        levels = torch.tensor(LEVELS, dtype=torch.float64)
        self.quantiles.copy_(lengths.quantile(levels, dim=0))
        self.scores.copy_(torch.special.ndtri(levels.clamp(max=1 - 0.5 / count)))
        self.unit.copy_((lengths.quantile(0.95, dim=0) - lengths.median(0).values).clamp(min=SMALLEST_UNIT))
        return self._largest(lengths, leave_one_out_quantiles(lengths, LEVELS))

    def forward(self, normal_scores: Tensor, groups: Tensor) -> Tensor:
        """Return the energies of rows: `(N, P)` and `(N, J)` to `(A, N)`."""
        return self._largest(self.lengths(normal_scores, groups), self.quantiles)

    def lengths(self, normal_scores: Tensor, groups: Tensor) -> Tensor:
        """Return the lengths of the residuals of all columns: `(N, P)` and `(N, J)` to `(N, P + J)`."""
        z = (self._coordinates(normal_scores, groups) - self.center) / self.scale
        return self._norms(z @ self.projection)

    def _norms(self, projected: Tensor) -> Tensor:
        """Return the norms of the parts of all columns: `(N, E)` to `(N, P + J)`."""
        numbers, categories = projected.tensor_split([self.numbers], dim=1)
        if not self.groups:
            return numbers.abs()
        return torch.cat([numbers.abs(), (categories.square() @ self.membership).sqrt()], dim=1)

    def _coordinates(self, normal_scores: Tensor, groups: Tensor) -> Tensor:
        indicators = [
            (groups[:, column, None] == torch.arange(count, device=groups.device)).to(torch.float64)
            for column, count in enumerate(self.groups)
        ]
        return torch.cat([normal_scores, *indicators], dim=1)

    def _inverse_roots(self, precision: Tensor) -> Tensor:
        """Return the block-diagonal matrix of `L_b` with `L_b L_b' = (P_bb)^(-1)`."""
        roots, start = torch.zeros_like(precision), 0
        diagonal = precision.diagonal()
        for size in (*(1,) * self.numbers, *self.groups):
            part = slice(start, start + size)
            if size == 1:
                roots[part, part] = diagonal[part].rsqrt()
            else:
                roots[part, part] = torch.linalg.cholesky(torch.linalg.inv(precision[part, part]))
            start += size
        return roots

    def _largest(self, lengths: Tensor, quantiles: Tensor) -> Tensor:
        """Return the largest normal score of all columns, and that of the categories: `(N, P + J)` to `(A, N)`.

        Args:
            lengths: `(N, P + J)`.
            quantiles: `(Q, P + J)`, or `(Q, N, P + J)` if they differ between rows.
        """
        values = ((lengths - quantiles[-1]) / self.unit).clamp_(min=0)
        steps = zip(quantiles[:-1], quantiles.diff(dim=0), self.scores.diff(), strict=True)
        for start, width, height in steps:
            values += ((lengths - start) / width.clamp(min=TINY)).clamp_(0, 1) * height
        parts = [values] if self.energies == 1 else [values, values[:, self.numbers :]]
        return torch.stack([part.amax(1) for part in parts])


def leave_one_out_quantiles(values: Tensor, levels: Sequence[float]) -> Tensor:
    """Return the quantiles of each column without each row: `(N, J)` to `(Q, N, J)`, interpolated as `torch.quantile`.

    >>> leave_one_out_quantiles(torch.tensor([[1.0], [2.0], [4.0]]), [0.5, 1.0])[:, :, 0]
    tensor([[3.0000, 2.5000, 1.5000],
            [4.0000, 4.0000, 2.0000]])
    """
    ascending, order = values.sort(0)
    ranks = order.argsort(0)
    last = len(values) - 2  # position of the largest of the others

    def kth_of_others(k: int) -> Tensor:
        return ascending.gather(0, k + (ranks <= k).to(torch.int64))

    quantiles = []
    for level in levels:
        low = min(int(level * last), last)
        weight = level * last - low
        quantiles.append((1 - weight) * kth_of_others(low) + weight * kth_of_others(min(low + 1, last)))
    return torch.stack(quantiles)
