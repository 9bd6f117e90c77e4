"""The default score of a table: energies of several views of its columns, of which the most alarmed ones decide.

1. **Views** (`ebmood.models.views`) transform the columns of numbers. To one of them, `min-max`, categories and gaps
   add coordinates of their own, so that a difference has a fixed cost (`ebmood.models.mismatch`). The other views hold
   numbers only, so that categories do not hide faults of numbers.
2. In every view, a **memory energy** and a **relative distance** compare a row with the training rows that the model
   holds (`ebmood.models.memory`). No network is trained. Both may be computed for several numbers of neighbours.
3. Each energy becomes a robust **z-score** over its leave-one-out values for the training rows: the median becomes 0
   and the 95th percentile 1.
4. The score of a row is minus the mean of its two largest z-scores.

With labels there is one memory for each class, with z-scores of its own, and the score is the largest over classes.

Outside the training ranges a guard is added, which no setting can disable. It grows with the distance from the ranges.
A gap in a column that has none in the training rows puts a row below all training rows.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Self, cast

import torch
from pydantic import AfterValidator, Field, PositiveInt
from torch import Tensor, nn

from ebmood.core.settings import Settings
from ebmood.detector.energy.columns import Columns, Layout
from ebmood.models.memory import (
    MemoryEnergy,
    MemorySettings,
    RelativeDistance,
    leave_one_out,
    squared_distances,
)
from ebmood.models.mismatch import MismatchCosts
from ebmood.models.views import VIEWS, View

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
        views: the views. `raw` is left out unless all columns appear to be measured on one scale, as pixels are. If the
            columns appear to be features of a network, only `unit-length`, `whitened-raw` and `whitened-unit-length`
            are used, as far as they are listed; otherwise these are left out.
        memory: settings of the memory energy and of the relative distance.
        further_neighbours: numbers of neighbours, for each of which every view has two more energies. Otherwise, these
            have the settings under `memory`.
        rows: maximum number of training rows that the model holds. If there are more, a random sample of them is used,
            which keeps their density. With classes it applies to all of them together.
        deciding: number of the largest z-scores whose mean is the score.
        category_cost: squared distance between two rows that differ in one category, or of which one has a gap, in
            units of the mean variance of a column. It counts in the view `min-max`, or in the first view without it.
        unseen_cost: squared distance between a level that no training row has and any other.
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
    deciding: int = Field(default=2, ge=1)
    category_cost: Annotated[float, Field(gt=0)] = 1.5
    unseen_cost: Annotated[float, Field(gt=0)] = 3.0

    @property
    def scales(self) -> tuple[MemorySettings, ...]:
        """The settings of the energies of each view, one for each number of neighbours."""
        further = (self.memory.updated(neighbours=count) for count in self.further_neighbours)
        return (self.memory, *further)

    def work(self, rows: int, held: int, columns: int) -> float:
        """Return about how many multiplications the comparison of `rows` rows with `held` rows needs, in all views."""
        for_features = sum(VIEWS_BY_NAME[name].for_features for name in self.views)
        views = max(for_features, len(self.views) - for_features)
        return float(rows) * held * views * (columns + OPERATIONS_PER_PAIR * len(self.scales))


SPEEDS = {
    "default": EnergySettings(),
    "fast": EnergySettings(
        rows=512, views=("min-max", "whitened-normal-scores", "raw", "whitened-raw", "whitened-unit-length")
    ),
}
"""Settings by the parameter `speed` of the detector. docs/results/tables.md has what `fast` gains and loses."""


class MemoryLayout(Settings):
    """The sizes of a fitted model.

    Attributes:
        table: what the columns hold.
        rows: for each class the number of training rows or prototypes in memory; one number without labels.
        views: names of the views that are used.
        view_rows: number of rows for which the views are built; None for those in memory.
    """

    table: Layout
    rows: tuple[int, ...] = Field(min_length=1)
    views: tuple[ViewName, ...] = Field(min_length=1)
    view_rows: int | None = Field(default=None, ge=1)


class ViewEnergies(nn.Module):
    """The energies of one view: a view, and for each scale and class a memory energy and a relative distance.

    Args:
        view: the view.
        takes_categories: whether categories and gaps add to its distances.
        rows: number of training rows in memory of each class.
        scales: settings of the energies, one for each number of neighbours.
    """

    unit: Tensor

    def __init__(
        self, view: View, takes_categories: bool, rows: tuple[int, ...], scales: tuple[MemorySettings, ...]
    ):
        super().__init__()
        self.view = view
        self.takes_categories = takes_categories
        self.scales = scales
        self.classes = len(rows)
        # The classes of the first scale come first, then those of the next one.
        self.memories = nn.ModuleList(MemoryEnergy(count) for _ in scales for count in rows)
        self.relative = nn.ModuleList(
            RelativeDistance(count, settings) for settings in scales for count in rows
        )
        self.register_buffer("unit", torch.ones((), dtype=torch.float64))

    def coordinates(self, in_view: Tensor, mismatch: Tensor) -> Tensor:
        """Return the coordinates of rows: those in the view, and perhaps those of categories and gaps in its unit."""
        return torch.cat([in_view, mismatch * self.unit], dim=1) if self.takes_categories else in_view

    def energies(self, squared: Tensor, k: int) -> Tensor:
        """Return all energies under class k: squared distances to its rows `(N, M)` to `(2 S, N)` for S scales."""
        both = [energy(squared) for memory, relative in self._of_class(k) for energy in (relative, memory)]
        return torch.stack(both)

    def fit(self, squared: Tensor, k: int) -> None:
        """Fit the energies of class k to squared distances between its rows `(M, M)`, infinite on the diagonal."""
        for settings, (memory, relative) in zip(self.scales, self._of_class(k), strict=True):
            memory.fit(squared, settings)
            relative.fit(squared)

    def weight(self, counts: Tensor, k: int) -> None:
        """Weight each row in memory of class k by the number of rows that it stands for, `(M,)`."""
        for memory, _ in self._of_class(k):
            memory.log_weights.add_(counts.to(torch.float64).log())

    def _of_class(self, k: int) -> list[tuple[MemoryEnergy, RelativeDistance]]:
        """Return the energies under class k at every scale."""
        at = range(k, len(self.memories), self.classes)
        return [(cast(MemoryEnergy, self.memories[i]), cast(RelativeDistance, self.relative[i])) for i in at]


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
    gap_penalty: Tensor
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
                    layout.rows,
                    settings.scales,
                )
                for name in layout.views
            }
        )
        energies = 2 * len(settings.scales) * len(layout.views)
        self.register_buffer("memory", torch.zeros(rows, self.features, dtype=torch.float64))
        self.register_buffer("z_center", torch.zeros(self.classes, energies, dtype=torch.float64))
        self.register_buffer("z_scale", torch.ones(self.classes, energies, dtype=torch.float64))
        self.register_buffer("middle", torch.zeros(numbers, dtype=torch.float64))
        self.register_buffer("extent", torch.ones(numbers, dtype=torch.float64))
        self.register_buffer("gap_penalty", torch.zeros((), dtype=torch.float64))

    def refresh_cache(self) -> None:
        """Recompute the coordinates of the training rows. Call this after any change of the state."""
        numbers, mismatch = self._split(self.memory)
        self._coordinates = self.coordinates(numbers, mismatch)

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
        return [
            f"{view} {kind}{scale}"
            for view in self.layout.views
            for scale in scales
            for kind in ("relative distance", "memory")
        ]

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of raw rows: `(N, D)` to `(N,)`."""
        return self.class_scores(x).amax(1)

    def class_scores(self, x: Tensor) -> Tensor:
        """Return the scores of raw rows under every class: `(N, D)` to `(N, K)`."""
        by_class = [self._combine(z) for z in self.z_scores(x)]
        outside = self.excess(self.columns.numbers(x)) + self.gap_penalty * self.columns.new_gaps(x)
        return -torch.stack(by_class, dim=1) - outside[:, None]

    def coordinates(self, numbers: Tensor, mismatch: Tensor) -> dict[str, Tensor]:
        """Return the coordinates of rows in every view. A view that another one starts from is computed once."""
        in_views: dict[str, Tensor] = {}
        coordinates = {}
        for name, energies in self.view_energies().items():
            view, before = energies.view, energies.view.before
            shared = before is not None and before.name in in_views
            in_views[name] = view.after(in_views[before.name]) if before and shared else view(numbers)
            coordinates[name] = energies.coordinates(in_views[name], mismatch)
        return coordinates

    def z_scores(self, x: Tensor) -> Tensor:
        """Return the z-scores of raw rows for each class and energy: `(N, D)` to `(K, A, N)`."""
        by_view = []
        for name, coordinates in self.coordinates(*self._split(x)).items():
            energies = self.view_energies()[name]
            memories = self._coordinates[name].split(self.layout.rows)
            by_class = [
                energies.energies(squared_distances(coordinates, rows), k) for k, rows in enumerate(memories)
            ]
            by_view.append(torch.stack(by_class))
        return (torch.cat(by_view, dim=1) - self.z_center[:, :, None]) / self.z_scale[:, :, None]

    @torch.no_grad()
    def fit_memories(self, left_out: Tensor) -> Tensor:
        """Fit the energies of all views to the rows in memory, and return their leave-one-out scores, `(M,)`.

        The views must be fitted. A row is left out of the sums, of the scales of columns and of the whitening, but not
        of the ranks of other rows and of their bandwidths.

        Args:
            left_out: the rows in memory `(M, D)` as they look to a fit without them: a level that no other row has is
                an unseen level.
        """
        self.refresh_cache()
        numbers, mismatch = self._split(self.memory)
        mismatch_left_out = self.costs(self.columns.groups(left_out))
        scores, start = [], 0
        for k, count in enumerate(self.layout.rows):
            part = slice(start, start + count)
            start += count
            z = []
            for number, (name, energies) in enumerate(self.view_energies().items()):
                rows = self._coordinates[name][part]
                squared = leave_one_out(squared_distances(rows, rows))
                energies.fit(squared, k)
                apart = energies.view.leave_out(energies.view(numbers), part)
                if energies.takes_categories:
                    apart += (
                        squared_distances(mismatch_left_out[part], mismatch[part]) * energies.unit.square()
                    )
                both = energies.energies(leave_one_out(apart), k)
                z.append(self._set_z_scores(k, number, both))
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
        for number, (name, energies) in enumerate(self.view_energies().items()):
            memories = self._coordinates[name].split(self.layout.rows)
            for k, (prototypes, count, of_class) in enumerate(zip(memories, counts, rows, strict=True)):
                energies.fit(leave_one_out(squared_distances(prototypes, prototypes)), k)
                energies.weight(count, k)
                numbers, mismatch = self._split(of_class)
                coordinates = energies.coordinates(energies.view(numbers), mismatch)
                both = energies.energies(squared_distances(coordinates, prototypes), k)
                self._set_z_scores(k, number, both)

    def _set_z_scores(self, k: int, view: int, energies: Tensor) -> Tensor:
        """Set the z-scores of a view under class k from the energies of training rows `(2 S, N)`, and return them."""
        median, high = energies.quantile(torch.tensor([0.5, 0.95], dtype=torch.float64), dim=1)
        at = slice(len(energies) * view, len(energies) * (view + 1))
        self.z_center[k, at] = median
        self.z_scale[k, at] = (high - median).clamp(min=SMALLEST_SCALE)
        return (energies - median[:, None]) / self.z_scale[k, at, None]

    def excess(self, numbers: Tensor) -> Tensor:
        """Return by how many training ranges rows lie outside, summed over columns of numbers: `(N, P)` to `(N,)`.

        A column counts from one range away from its middle, so rows slightly outside are left to the energies.
        """
        ranges = (numbers - self.middle).div(self.extent).abs() - 1
        return ranges.clamp(0, MAX_EXCESS).sum(1).clamp(max=MAX_EXCESS)

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.columns.numbers(x), self.costs(self.columns.groups(x))

    def view_energies(self) -> dict[str, ViewEnergies]:
        """Return the energies of each view by its name."""
        return {name: energies for name, energies in self.views.items() if isinstance(energies, ViewEnergies)}

    def _combine(self, z: Tensor) -> Tensor:
        """Return the mean of the largest z-scores: `(A, N)` to `(N,)`."""
        return z.topk(min(self.settings.deciding, len(z)), dim=0).values.mean(0)
