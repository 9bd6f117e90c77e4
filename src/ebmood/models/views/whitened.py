"""Rotated columns without correlations and of equal variance, up to shrinkage.

The covariance C of the training rows is drawn half-way to a ball, `S = (C + b I) / 2` with `b = trace(C) / P`, and a
row is multiplied by `S^(-1/2)`. The directions that the training rows span get one coordinate each. In all other
directions S is `b / 2`, so one coordinate holds the distance from the span. Work and memory never grow with P^2 if
there are fewer rows than columns.
"""

import math
from typing import Self

import torch
from torch import Tensor

from ebmood.models.views.normal_scores import NormalScores
from ebmood.models.views.raw import Raw
from ebmood.models.views.standardised import Standardised
from ebmood.models.views.unit_length import UnitLength
from ebmood.models.views.view import MAX_COORDINATE, AffineView, View, varies

SHRINKAGE = 0.5
"""Weight of the ball."""


class Whitened(View):
    """Whitened standardised columns; see the module's docstring.

    Args:
        columns: P.
        rows: N.

    Attributes:
        before: the view that is whitened; None for the columns themselves.
        axes: `(P, R)`, an orthonormal basis of the span of the training rows, R = min(P, N). If `fit` receives more
            than N rows, these are the axes of largest variance.
        deviations: `(R,)`, the root of the eigenvalue of S for each axis.
        rest: the root of the mean eigenvalue of S in all other directions.
    """

    name = "whitened"
    axes: Tensor
    deviations: Tensor
    rest: Tensor

    def __init__(self, columns: int, rows: int):
        super().__init__(columns, rows)
        rank = min(columns, rows)
        self.rows = rows
        self.before = self._view_before(columns, rows)
        self.center_and_scale = self._scaling(columns, rows)
        self._add(axes=torch.zeros(columns, rank), deviations=torch.ones(rank), rest=torch.ones(()))

    @staticmethod
    def _view_before(columns: int, rows: int) -> View | None:
        return None

    @staticmethod
    def _scaling(columns: int, rows: int) -> AffineView:
        return Standardised(columns, rows)

    def fit(self, x: Tensor) -> Self:
        """Set the axes and the deviations along them."""
        self.rows = len(x)
        if self.before is not None:
            x = self.before.fit(x)(x)
        self.center_and_scale.fit(x)
        if self.before is not None and not self.needs_one_unit:  # its results have no unit
            self.center_and_scale.scale[~varies(x)] = 1.0
        x = self.center_and_scale(x)
        count, columns = x.shape
        rank = len(self.deviations)
        if columns <= count:
            eigenvalues, axes = torch.linalg.eigh(x.mT @ x / count)
            self.axes.copy_(axes[:, columns - rank :])
        else:
            eigenvalues, vectors = torch.linalg.eigh(x @ x.mT / count)
            lengths = (eigenvalues.clamp(min=0) * count).sqrt()
            # An axis of length zero has no rows along it, and any direction will do: it is left out.
            used = lengths > 1e-9 * lengths.max().clamp(min=1e-290)
            axes = (x.mT @ vectors) * torch.where(used, 1 / lengths.clamp(min=1e-290), 0.0)
            self.axes.copy_(axes[:, count - rank :])
        variances = eigenvalues.clamp(min=0)
        ball = max(float(variances.sum()) / max(columns, 1), 1e-12)
        kept, others = variances[len(variances) - rank :], float(variances[: len(variances) - rank].sum())
        self.deviations.copy_(((1 - SHRINKAGE) * kept + SHRINKAGE * ball).sqrt())
        self.rest.fill_(math.sqrt((1 - SHRINKAGE) * others / max(columns - rank, 1) + SHRINKAGE * ball))
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Return whitened rows: `(N, P) -> (N, R)`, or `(N, R + 1)` if R < P."""
        return self.after(x if self.before is None else self.before(x))

    def after(self, x: Tensor) -> Tensor:
        """Return whitened rows from rows in the first view."""
        x = self.center_and_scale(x)
        rotated = x @ self.axes
        whitened = rotated / self.deviations
        if self.axes.shape[0] > self.axes.shape[1]:
            outside = (x.square().sum(1) - rotated.square().sum(1)).clamp(min=0).sqrt() / self.rest
            whitened = torch.cat([whitened, outside[:, None]], dim=1)
        return whitened.clamp(-MAX_COORDINATE, MAX_COORDINATE)

    def leave_out(self, coordinates: Tensor, part: slice, points: Tensor | None = None) -> Tensor:
        """Return squared distances as if C did not contain the row that is left out; see `View.leave_out`.

        Without row i, the mean changes as well, and `S` becomes `S - k x_i x_i'` with `k = N / (2 (N - 1)^2)`, up to a
        factor of `1 + 1 / N` that is left out. By the formula of Sherman and Morrison, the squared distance from row i
        to point j then grows by `k (u_i (u_i - u_j))^2 / (1 - k |u_i|^2)`, where u are whitened rows and points. With
        fewer rows than columns, this is the distance of row i from the span of the others.
        """
        k = (1 - SHRINKAGE) * self.rows / (self.rows - 1) ** 2
        rows = coordinates[part]
        products = rows @ (rows if points is None else points).mT
        lengths = products.diagonal() if points is None else rows.square().sum(1)
        of_points = lengths if points is None else points.square().sum(1)
        squared = (lengths[:, None] + of_points - 2 * products).clamp(min=0)
        growth = k * (lengths[:, None] - products).square() / (1 - k * lengths[:, None]).clamp(min=1e-6)
        return squared + growth


class WhitenedNormalScores(Whitened):
    """Whitened normal scores."""

    name = "whitened-normal-scores"

    @staticmethod
    def _view_before(columns: int, rows: int) -> View | None:
        return NormalScores(columns, rows)


class WhitenedRaw(Whitened):
    """Whitened columns that keep their proportions: they are divided by one number, not by their deviations.

    For features of a network. A feature that hardly varies keeps little weight, and so do directions of small variance
    because of the ball. Distances are those of Mahalanobis with a shrunken covariance.
    """

    name = "whitened-raw"
    needs_one_unit = True
    for_features = True
    for_one_unit = True

    @staticmethod
    def _scaling(columns: int, rows: int) -> AffineView:
        return Raw(columns, rows)


class WhitenedUnitLength(WhitenedRaw):
    """Whitened directions of rows; see `UnitLength`."""

    name = "whitened-unit-length"
    for_one_unit = False

    @staticmethod
    def _view_before(columns: int, rows: int) -> View | None:
        return UnitLength(columns, rows)
