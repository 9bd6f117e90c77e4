"""The default score of a table: energies of several views of its columns, of which the most alarmed ones decide.

1. **Views** (`ebmood.models.views`) transform the columns of numbers. To one of them, `min-max`, categories and gaps
   add coordinates of their own, so that a difference has a fixed cost (`ebmood.models.mismatch`). The other views hold
   numbers only, so that categories do not hide faults of numbers.
2. In every view, a **memory energy** and a **relative distance** compare a row with the training rows that the model
   holds (`ebmood.models.memory`). No network is trained. Both may be computed for several numbers of neighbours. To
   save time, the row may be compared with centres of clusters of these rows instead, by a memory energy only.
3. Two further energies are the **largest residual** of a column and of a category, given the other columns of the row
   (`ebmood.models.column_residuals`). They find one value that does not fit the others.
4. Each energy becomes a robust **z-score** over its leave-one-out values for the training rows: the median becomes 0
   and the 95th percentile 1.
5. The score of a row is minus the mean of its two largest z-scores.

With labels there is one memory for each class, with z-scores of its own, and the score is the largest over classes.

Outside the training ranges a guard is added, which no setting can disable. It grows with the distance from the ranges.
A value that the training rows rule out puts a row below all of them: a gap in a column without gaps, or an unseen level
in a column in which every level occurs at least twice.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Self, cast

import torch
from pydantic import AfterValidator, Field, PositiveInt, model_validator
from torch import Tensor, nn

from ebmood.core.settings import Positive, Settings
from ebmood.detector.energy.columns import Columns, Layout
from ebmood.models.column_residuals import ColumnResiduals
from ebmood.models.memory import (
    MemoryEnergy,
    MemorySettings,
    RelativeDistance,
    leave_one_out,
    squared_distances,
)
from ebmood.models.mismatch import MismatchCosts
from ebmood.models.views import VIEWS, NormalScores, View

MAX_EXCESS = 1e30
"""Largest excess of a row. It is exact in float32, to which ONNX may convert it."""

OPERATIONS_PER_PAIR = 20
"""Multiplications that take as long as the energies of one pair of rows, without its distance."""

SMALLEST_SCALE = 1e-2
"""Smallest scale of a z-score, for tables in which the leave-one-out energies hardly differ."""

VIEWS_BY_NAME = {view.name: view for view in VIEWS}


def _check_view(name: str) -> str:
    if name not in VIEWS_BY_NAME:
        raise ValueError(f"no view {name!r}; the views are {', '.join(VIEWS_BY_NAME)}")
    return name


ViewName = Annotated[str, AfterValidator(_check_view)]


class EnergySettings(Settings):
    """Settings of the default energy. The default values are intended for tables of any kind.

    Attributes:
        views: the views. If the columns appear to be features of a network, only `unit-length`, `whitened-raw` and
            `whitened-unit-length` are used, as far as they are listed; otherwise these are left out. If all columns
            appear to be measured on one scale, as pixels are, and have neither categories nor gaps, only
            `normal-scores`, `raw` and `whitened-raw` are used, as far as they are listed. In other tables `raw` is left
            out.
        memory: settings of the memory energy and of the relative distance.
        further_neighbours: numbers of neighbours, for each of which every view has two more energies. Otherwise, these
            have the settings under `memory`.
        rows: maximum number of training rows that the model holds. If there are more, a random sample of them is used,
            which keeps their density. With classes it applies to all of them together, but each class keeps up to 64
            rows.
        clusters: maximum number of clusters into which each view divides the rows that the model holds, like `rows`. A
            new row is compared with their centres, each weighted by the number of its rows, by the memory energy only.
            The views then store at most so many quantiles of a column and axes. None to compare it with all rows.
        residuals: maximum number of coordinates (one for each number and for each group of a category) with which the
            largest residuals of columns are further energies. They need normal scores, so one view must start with
            them. None for no such energies.
        deciding: number of the largest z-scores whose mean is the score.
        category_cost: squared distance between two rows that differ in one category, or of which one has a missing
            value, in units of the mean variance of a column. It counts in the view `min-max`, or in the first view
            without it.
        unseen_cost: squared distance between a level that no training row has and any other, at least half of
            `category_cost`.
    """

    views: tuple[ViewName, ...] = Field(
        default=(
            *("min-max", "robust", "normal-scores", "whitened-normal-scores", "raw"),
            *("whitened-raw", "whitened-unit-length"),
        ),
        min_length=1,
    )
    memory: MemorySettings = MemorySettings()
    further_neighbours: tuple[PositiveInt, ...] = ()
    rows: int = Field(default=2048, ge=2)
    clusters: int | None = Field(default=None, ge=2)
    residuals: int | None = Field(default=1024, ge=2)
    deciding: int = Field(default=2, ge=1)
    category_cost: Positive = 1.5
    unseen_cost: Positive = 3.0

    @model_validator(mode="after")
    def _check_costs(self) -> "EnergySettings":
        if self.unseen_cost < self.category_cost / 2:
            raise ValueError(
                f"unseen_cost={self.unseen_cost:g} is less than half of category_cost={self.category_cost:g}, so no "
                "point has these distances; give more"
            )
        return self

    @property
    def points(self) -> int:
        """The maximum number of rows or centres with which a new row is compared."""
        return min(self.rows, self.clusters or self.rows)

    @property
    def scales(self) -> tuple[MemorySettings, ...]:
        """The settings of the energies of each view, one for each number of neighbours."""
        further = (self.memory.updated(neighbours=count) for count in self.further_neighbours)
        return (self.memory, *further)

    def work(self, rows: int, held: int, columns: int) -> float:
        """Return about how many multiplications the scores of `rows` rows need if the model holds `held` rows."""
        for_features = sum(VIEWS_BY_NAME[name].for_features for name in self.views)
        views = max(for_features, len(self.views) - for_features)
        return (
            float(rows) * min(held, self.points) * views * (columns + OPERATIONS_PER_PAIR * len(self.scales))
        )


SPEEDS = {
    "default": EnergySettings(),
    "fast": EnergySettings(
        views=("min-max", "whitened-normal-scores", "raw", "whitened-raw", "whitened-unit-length"),
        memory=MemorySettings(neighbours=2),
        clusters=256,
    ),
}
"""Settings by the parameter `speed` of the detector. docs/results/tables.md has what `fast` gains and loses.

Centres of clusters are farther from each other than rows, so `fast` uses fewer neighbours for the bandwidths.
"""


class MemoryLayout(Settings):
    """The sizes of a fitted model.

    Attributes:
        table: what the columns hold.
        rows: for each class the number of training rows or prototypes in memory; one number without labels.
        views: names of the views that are used.
        view_rows: number of rows for which the views are built; None for those in memory.
        clusters: for each class the number of clusters of its rows; None if there are none.
        residuals: whether the largest residuals of columns are further energies.
    """

    table: Layout
    rows: tuple[int, ...] = Field(min_length=1)
    views: tuple[ViewName, ...] = Field(min_length=1)
    view_rows: int | None = Field(default=None, ge=1)
    clusters: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] | None = None
    residuals: bool = False

    @property
    def points(self) -> tuple[int, ...]:
        """For each class the number of rows or centres with which a new row is compared."""
        return self.clusters or self.rows


class ViewEnergies(nn.Module):
    """The energies of one view: a view, and for each scale and class a memory energy and a relative distance.

    With clusters there are no relative distances.

    Args:
        view: the view.
        takes_categories: whether categories and gaps add to its distances.
        layout: the sizes of the model.
        scales: settings of the energies, one for each number of neighbours.

    Attributes:
        labels: `(M,)`, for each row in memory the number of its cluster in its class; None without clusters.
    """

    unit: Tensor
    labels: Tensor | None

    def __init__(
        self, view: View, takes_categories: bool, layout: MemoryLayout, scales: tuple[MemorySettings, ...]
    ):
        super().__init__()
        self.view = view
        self.takes_categories = takes_categories
        self.layout = layout
        self.scales = scales
        self.classes = len(layout.rows)
        # The classes of the first scale come first, then those of the next one.
        self.memories = nn.ModuleList(MemoryEnergy(count) for _ in scales for count in layout.points)
        self.relative = nn.ModuleList(
            RelativeDistance(count, settings)
            for settings in scales
            for count in layout.rows
            if not layout.clusters
        )
        self.register_buffer("unit", torch.ones((), dtype=torch.float64))
        labels = torch.zeros(sum(layout.rows), dtype=torch.int64) if layout.clusters else None
        self.register_buffer("labels", labels)

    def coordinates(self, in_view: Tensor, mismatch: Tensor) -> Tensor:
        """Return the coordinates of rows: those in the view, and perhaps those of categories and gaps in its unit."""
        return torch.cat([in_view, mismatch * self.unit], dim=1) if self.takes_categories else in_view

    def points(self, coordinates: Tensor) -> Tensor:
        """Return what new rows are compared with: the rows in memory `(M, E)`, or the centres of their clusters."""
        if self.labels is None:
            return coordinates
        by_class = zip(
            coordinates.split(self.layout.rows), self._labels_by_class(), self.layout.points, strict=True
        )
        return torch.cat([_centres(rows, labels, count) for rows, labels, count in by_class])

    def energies(self, squared: Tensor, k: int) -> Tensor:
        """Return all energies under class k: squared distances to its points `(N, M)` to `(A, N)`."""
        relative = self._relative_of_class(k) or [None] * len(self.scales)
        both = zip(relative, self._memories_of_class(k), strict=True)
        return torch.stack([energy(squared) for pair in both for energy in pair if energy is not None])

    def energies_left_out(self, squared: Tensor, k: int) -> Tensor:
        """Return all energies of the rows in memory of class k, each without itself: `(N, M)` to `(A, N)`.

        Without row i, a cluster of n rows has the centre `(n c - x_i) / (n - 1)` and n - 1 rows. If it has no other
        rows, it is left out.

        Args:
            squared: squared distances to the points of the class, which are the rows themselves without clusters.
            k: the class.
        """
        if self.labels is None:
            return self.energies(leave_one_out(squared), k)
        labels = self._labels_by_class()[k]
        own = labels[:, None]
        counts = labels.bincount(minlength=squared.shape[1])[own].to(torch.float64)
        growth = counts / (counts - 1)  # infinite for one row
        distances = torch.where(counts > 1, squared.gather(1, own) * growth.square(), torch.inf)
        return torch.stack(
            [
                memory(squared.scatter(1, own, distances + growth.log() / memory.precisions[own]))
                for memory in self._memories_of_class(k)
            ]
        )

    def fit(self, squared: Tensor, k: int, counts: Tensor | None = None) -> None:
        """Fit the energies of class k.

        Args:
            squared: squared distances between its points `(M, M)`, infinite on the diagonal.
            k: the class.
            counts: `(M,)`, the number of rows for which each point stands; None for the sizes of the clusters.
        """
        for settings, memory in zip(self.scales, self._memories_of_class(k), strict=True):
            memory.fit(squared, settings)
            if counts is None and self.labels is not None:
                counts = self._labels_by_class()[k].bincount(minlength=len(squared))
            if counts is not None:
                memory.log_weights.add_(counts.to(torch.float64).log())
        for relative in self._relative_of_class(k):
            relative.fit(squared)

    def _labels_by_class(self) -> tuple[Tensor, ...]:
        assert self.labels is not None
        return self.labels.split(self.layout.rows)

    def _memories_of_class(self, k: int) -> list[MemoryEnergy]:
        """Return the memory energies under class k at every scale."""
        return [cast(MemoryEnergy, self.memories[i]) for i in range(k, len(self.memories), self.classes)]

    def _relative_of_class(self, k: int) -> list[RelativeDistance]:
        """Return the relative distances under class k at every scale; none with clusters."""
        return [cast(RelativeDistance, self.relative[i]) for i in range(k, len(self.relative), self.classes)]


def _centres(rows: Tensor, labels: Tensor, count: int) -> Tensor:
    """Return the mean of the rows of each cluster: `(N, E)` to `(count, E)`."""
    belongs = (labels == torch.arange(count, device=labels.device)[:, None]).to(torch.float64)
    return belongs @ rows / belongs.sum(1, keepdim=True)


class ScoreModel(nn.Module):
    """Map raw float64 rows `(N, D)` to float64 scores `(N,)`. Higher is more in-distribution.

    All fitted numbers are buffers, so `load_state_dict` restores a fitted model. Their names are part of the format of
    saved detectors.

    Args:
        settings: the settings of the energy.
        layout: the sizes of the model.
    """

    memory: Tensor
    z_center: Tensor
    z_scale: Tensor
    middle: Tensor
    extent: Tensor
    gap_penalty: Tensor  # of any value that the training rows rule out; the name is part of the format
    _coordinates: dict[str, Tensor]

    def __init__(self, settings: EnergySettings, layout: MemoryLayout):
        super().__init__()
        self.settings = settings
        self.layout = layout
        self.features = layout.table.columns
        self.classes = len(layout.rows)
        rows, numbers = sum(layout.rows), len(layout.table.numbers)
        self.columns = Columns(layout.table)
        self.costs = MismatchCosts(layout.table.groups, settings.category_cost, settings.unseen_cost)
        with_categories = [
            name for name in layout.views if VIEWS_BY_NAME[name].takes_categories
        ] or layout.views[:1]
        self.views = nn.ModuleDict(
            {
                name: ViewEnergies(
                    VIEWS_BY_NAME[name](numbers, layout.view_rows or rows),
                    name in with_categories,
                    layout,
                    settings.scales,
                )
                for name in layout.views
            }
        )
        self.residuals = ColumnResiduals(numbers, layout.table.groups) if layout.residuals else None
        energies = (1 if layout.clusters else 2) * len(settings.scales) * len(layout.views)
        if self.residuals:
            energies += self.residuals.energies
        self.register_buffer("memory", torch.zeros(rows, self.features, dtype=torch.float64))
        self.register_buffer("z_center", torch.zeros(self.classes, energies, dtype=torch.float64))
        self.register_buffer("z_scale", torch.ones(self.classes, energies, dtype=torch.float64))
        self.register_buffer("middle", torch.zeros(numbers, dtype=torch.float64))
        self.register_buffer("extent", torch.ones(numbers, dtype=torch.float64))
        self.register_buffer("gap_penalty", torch.zeros((), dtype=torch.float64))

    def refresh_cache(self) -> None:
        """Recompute the coordinates of rows or centres in memory. Call this after any change of the state."""
        coordinates = self.coordinates(*self.split(self.memory))
        self._coordinates = {
            name: energies.points(coordinates[name]) for name, energies in self.view_energies().items()
        }

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load a state as `nn.Module.load_state_dict` does, and refresh the cache."""
        keys = super().load_state_dict(*args, **kwargs)
        self.refresh_cache()
        return keys

    def _apply(self, *args: Any, **kwargs: Any) -> Self:  # torch calls this in `to`, `cpu` and `cuda`
        super()._apply(*args, **kwargs)
        self.refresh_cache()
        return self

    @property
    def energy_names(self) -> list[str]:
        """The names of the energies, in the order of `z_scores`."""
        scales = ("", *(f", {count} neighbours" for count in self.settings.further_neighbours))
        names = [
            f"{view} {kind}{scale}"
            for view in self.layout.views
            for scale in scales
            for kind in (("memory",) if self.layout.clusters else ("relative distance", "memory"))
        ]
        residuals = ["largest residual", "largest residual of a category"]
        return names + residuals[: self.residuals.energies if self.residuals else 0]

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of raw rows: `(N, D)` to `(N,)`."""
        return self.class_scores(x).amax(1)

    def class_scores(self, x: Tensor) -> Tensor:
        """Return the scores of raw rows under every class: `(N, D)` to `(N, K)`."""
        by_class = [self._combine(z) for z in self.z_scores(x)]
        outside = self.excess(self.columns.numbers(x)) + self.gap_penalty * self.columns.ruled_out(x)
        return -torch.stack(by_class, dim=1) - outside[:, None]

    def coordinates(self, numbers: Tensor, mismatch: Tensor) -> dict[str, Tensor]:
        """Return the coordinates of rows in every view, from their numbers and their coordinates of categories."""
        return self._with_mismatch(self._in_views(numbers), mismatch)

    def _in_views(self, numbers: Tensor) -> dict[str, Tensor]:
        """Return the numbers of rows in every view and in those that a view starts from, each computed once."""
        in_views: dict[str, Tensor] = {}
        for name, energies in self.view_energies().items():
            view, before = energies.view, energies.view.before
            if before is not None and before.name not in in_views:
                in_views[before.name] = before(numbers)
            in_views[name] = view(numbers) if before is None else view.after(in_views[before.name])
        return in_views

    def _normal_scores(self, in_views: dict[str, Tensor]) -> Tensor:
        """Return the normal scores of all numbers. Without numbers, every view has the same empty rows."""
        return in_views[NormalScores.name if self.layout.table.numbers else self.layout.views[0]]

    def _with_mismatch(self, in_views: dict[str, Tensor], mismatch: Tensor) -> dict[str, Tensor]:
        return {
            name: energies.coordinates(in_views[name], mismatch)
            for name, energies in self.view_energies().items()
        }

    def z_scores(self, x: Tensor) -> Tensor:
        """Return the z-scores of raw rows for each class and energy: `(N, D)` to `(K, A, N)`."""
        groups = self.columns.groups(x)
        in_views = self._in_views(self.columns.numbers(x))
        parts = []
        for name, coordinates in self._with_mismatch(in_views, self.costs(groups)).items():
            energies = self.view_energies()[name]
            by_class = [
                energies.energies(squared_distances(coordinates, points), k)
                for k, points in enumerate(self._points(name))
            ]
            parts.append(torch.stack(by_class))
        if self.residuals:
            residuals = self.residuals(self._normal_scores(in_views), groups)
            parts.append(residuals.expand(self.classes, *residuals.shape))
        return (torch.cat(parts, dim=1) - self.z_center[:, :, None]) / self.z_scale[:, :, None]

    @torch.no_grad()
    def fit_memories(self, left_out: Tensor) -> Tensor:
        """Fit the energies of all views to the rows in memory, and return their leave-one-out scores, `(M,)`.

        The views and the clusters must be fitted. A row is left out of the sums, of its cluster, of the scales of
        columns and of the whitening, but not of the ranks of other rows and of their bandwidths.

        Args:
            left_out: the rows in memory `(M, D)` as they look to a fit without them: a level that no other row has is
                an unseen level.
        """
        self.refresh_cache()
        numbers, mismatch = self.split(self.memory)
        mismatch_left_out = self.costs(self.columns.groups(left_out))
        residuals = self._fit_residuals(self.memory, left_out)
        scores, start = [], 0
        for k, count in enumerate(self.layout.rows):
            part = slice(start, start + count)
            start += count
            z = []
            for number, (name, energies) in enumerate(self.view_energies().items()):
                points = self._points(name)[k]
                energies.fit(leave_one_out(squared_distances(points, points)), k)
                in_view, of_points = energies.view(numbers), mismatch[part]
                if self.layout.clusters:
                    points, of_points = points.tensor_split([in_view.shape[1]], dim=1)
                    of_points = of_points / energies.unit
                apart = energies.view.leave_out(in_view, part, points if self.layout.clusters else None)
                if energies.takes_categories:
                    apart += squared_distances(mismatch_left_out[part], of_points) * energies.unit.square()
                z.append(self._set_z_scores(k, number, energies.energies_left_out(apart, k)))
            if residuals is not None:
                z.append(self._set_z_scores(k, None, residuals[:, part]))
            scores.append(-self._combine(torch.cat(z)))
        return torch.cat(scores)

    @torch.no_grad()
    def fit_prototypes(self, counts: Sequence[Tensor], rows: Sequence[Tensor]) -> None:
        """Fit the energies of all views to the prototypes in memory. The views must be fitted.

        Args:
            counts: for each class the number of rows of each prototype.
            rows: for each class training rows `(N, D)`, on which the z-scores are based.
        """
        self.refresh_cache()
        residuals = self._fit_residuals(torch.cat(list(rows)))
        if residuals is not None:
            for k, of_class in enumerate(residuals.split([len(part) for part in rows], dim=1)):
                self._set_z_scores(k, None, of_class)
        for number, (name, energies) in enumerate(self.view_energies().items()):
            memories = self._points(name)
            for k, (prototypes, count, of_class) in enumerate(zip(memories, counts, rows, strict=True)):
                energies.fit(leave_one_out(squared_distances(prototypes, prototypes)), k, count)
                numbers, mismatch = self.split(of_class)
                coordinates = energies.coordinates(energies.view(numbers), mismatch)
                both = energies.energies(squared_distances(coordinates, prototypes), k)
                self._set_z_scores(k, number, both)

    def _fit_residuals(self, rows: Tensor, left_out: Tensor | None = None) -> Tensor | None:
        """Fit the residuals of columns, if they are used, and return the leave-one-out energies of rows, `(A, N)`."""
        if not self.residuals:
            return None
        normal_scores = self._normal_scores(self._in_views(self.columns.numbers(rows)))
        groups_left_out = None if left_out is None else self.columns.groups(left_out)
        return self.residuals.fit(normal_scores, self.columns.groups(rows), groups_left_out)

    def _set_z_scores(self, k: int, view: int | None, energies: Tensor) -> Tensor:
        """Set the z-scores of energies under class k from their values for training rows `(A, N)`, and return them.

        Args:
            k: the class.
            view: number of the view to which the energies belong; None for the residuals, which are last.
            energies: their values.
        """
        median, high = energies.quantile(torch.tensor([0.5, 0.95], dtype=torch.float64), dim=1)
        count = len(energies)
        at = slice(-count, None) if view is None else slice(count * view, count * (view + 1))
        self.z_center[k, at] = median
        self.z_scale[k, at] = (high - median).clamp(min=SMALLEST_SCALE)
        return (energies - median[:, None]) / self.z_scale[k, at, None]

    def excess(self, numbers: Tensor) -> Tensor:
        """Return by how many training ranges rows lie outside, summed over columns of numbers: `(N, P)` to `(N,)`.

        A column counts from one range away from its middle, so rows slightly outside are left to the energies.
        """
        ranges = (numbers - self.middle).div(self.extent).abs() - 1
        return ranges.clamp(0, MAX_EXCESS).sum(1).clamp(max=MAX_EXCESS)

    def _points(self, name: str) -> tuple[Tensor, ...]:
        """Return for each class the rows or centres in a view with which new rows are compared."""
        return self._coordinates[name].split(self.layout.points)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the numbers of raw rows, and the coordinates of their categories and gaps."""
        return self.columns.numbers(x), self.costs(self.columns.groups(x))

    def view_energies(self) -> dict[str, ViewEnergies]:
        """Return the energies of each view by its name."""
        return {name: energies for name, energies in self.views.items() if isinstance(energies, ViewEnergies)}

    def _combine(self, z: Tensor) -> Tensor:
        """Return the mean of the largest z-scores: `(A, N)` to `(N,)`."""
        return z.topk(min(self.settings.deciding, len(z)), dim=0).values.mean(0)
