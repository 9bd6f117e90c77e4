"""Fit the default score model: layout, memory, views, energies and guard, in this order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ebmood.core.seeding import numpy_stream
from ebmood.detector.energy.chunks import apply_in_chunks, round_scores
from ebmood.detector.energy.clusters import cluster_rows
from ebmood.detector.energy.columns import Columns, Layout, fit_layout, leave_out_cells
from ebmood.detector.energy.contamination import count_contaminated, further_neighbours, strangest
from ebmood.detector.energy.prototypes import MAX_PROTOTYPES, find_prototypes
from ebmood.detector.energy.reservoir import sample_union
from ebmood.detector.energy.score_model import (
    MAX_EXCESS,
    VIEWS_BY_NAME,
    EnergySettings,
    MemoryLayout,
    ScoreModel,
)
from ebmood.models.views import NormalScores, View, WhitenedNormalScores
from ebmood.models.views.features import are_features
from ebmood.models.views.view import common_range, range_scales

MIN_CLASS_MEMORY = 64
"""Rows of a class that are kept at least, if it has them, and its clusters."""

ROWS_PER_COORDINATE = 2
"""Rows that the residuals of columns need for each coordinate."""

MAX_VALUE = 1e300
"""Larger training values are clipped to this."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FittedScoreModel:
    """A fitted model, and the scores of its training rows.

    Attributes:
        model: the model.
        scores: `(N,)` scores of the training rows. A row in memory is left out of its own score.
    """

    model: ScoreModel
    scores: Floats


@dataclass(frozen=True)
class EarlierRows:
    """What is known of training rows of which a sample is held.

    Attributes:
        seen: number of all earlier training rows.
        held: number of them that are held; the training rows of a new fit start with them.
        layout: what their columns hold.
        ranges: `(2, D)` lowest and highest value of each column over all of them.
    """

    seen: int
    held: int
    layout: Layout
    ranges: Floats


def fit_score_model(
    x: Floats,
    settings: EnergySettings,
    seed: int,
    device: str = "cpu",
    levels: Mapping[int, int] | None = None,
    y: NDArray[np.intp] | None = None,
    prototypes: bool = False,
    earlier: EarlierRows | None = None,
) -> FittedScoreModel:
    """Fit the default score model.

    Args:
        x: `(N, D)` training rows, N >= 2. Category columns hold the numbers of their levels, missing values are NaN.
        settings: the settings of the energy.
        seed: the seed of the sample of rows that is kept.
        device: the device of the returned model.
        levels: number of levels of each category column.
        y: `(N,)` class indices 0..K-1, for a supervised fit. Every class needs two rows.
        prototypes: whether the model holds centres of clusters instead of training rows.
        earlier: earlier training rows, if x is a sample of them followed by new ones. The model then holds a sample of
            all rows. It has neither classes nor prototypes.
    """
    x = np.clip(x, -MAX_VALUE, MAX_VALUE)
    table = fit_layout(x, levels or {}, earlier and earlier.layout)
    kept = _rows_to_keep(len(x), y, settings.rows, seed, earlier)
    memory = np.concatenate(kept)
    left_out, ruled_out = leave_out_cells(x, table)
    columns = Columns(table)
    columns.fit(x)
    numbers = columns.numbers(torch.from_numpy(x)).numpy()
    features = not table.groups and are_features(numbers)
    common = common_range(torch.from_numpy(numbers))
    views = _views(settings, numbers.shape[1], features, common > 0, bool(table.groups))
    layout = _layout(settings, table, tuple(map(len, kept)), views)
    model = ScoreModel(settings, layout.updated(residuals=_has_residuals(settings, layout)))
    model.columns.load_state_dict(columns.state_dict())
    model.memory.copy_(torch.from_numpy(x[memory]))
    known = x if earlier is None else np.concatenate([x, earlier.ranges])
    _set_ranges(model, known, features, common)
    with torch.no_grad():
        _fit_views(model, model.columns.numbers(model.memory))
        if settings.clusters:
            _fit_clusters(model, seed)
        in_memory = model.fit_memories(torch.from_numpy(left_out[memory])).numpy()
        if prototypes:
            model = _with_prototypes(model, seed)
        elif len(kept) > 1:
            in_memory = np.maximum(in_memory, _scores_under_other_classes(model))
    model.to(device).eval().requires_grad_(False)
    scores = np.empty(len(x))
    scores[memory] = round_scores(in_memory)
    others = np.arange(len(x)) if prototypes else np.setdiff1d(np.arange(len(x)), memory)
    if len(others):
        scores[others] = apply_in_chunks(model, left_out[others], device)
    scores -= _excess_left_out(model, known, features, common)[: len(x)]
    model.gap_penalty.fill_(1.0 + float(np.ptp(scores)))
    scores -= ruled_out * float(model.gap_penalty)
    return FittedScoreModel(model, scores)


def settings_for(
    contamination: float | Literal["auto"], rows: int, settings: EnergySettings
) -> EnergySettings:
    """Return settings with further energies for `rows` rows that may be contaminated."""
    least = max(scale.neighbours for scale in settings.scales)
    further = further_neighbours(min(rows, settings.points), contamination, least)
    return settings.updated(further_neighbours=(*settings.further_neighbours, *further))


def rows_without_strangest(
    x: Floats,
    contamination: float | Literal["auto"],
    settings: EnergySettings,
    seed: int,
    levels: Mapping[int, int],
    y: NDArray[np.intp] | None,
) -> NDArray[np.intp]:
    """Return the ascending indices of the rows that are not left out. The arguments are those of `fit_score_model`."""
    scores = fit_score_model(x, settings, seed, levels=levels, y=y).scores
    return np.sort(strangest(scores, len(x))[count_contaminated(scores, contamination) :])


def _with_prototypes(model: ScoreModel, seed: int) -> ScoreModel:
    """Return a model that holds prototypes of the rows in the memory of `model`."""
    first = next(energies for energies in model.view_energies().values() if energies.takes_categories)
    rows = model.memory.split(model.layout.rows)
    found = []
    for of_class in rows:
        numbers, mismatch = model.split(of_class)
        coordinates = first.coordinates(first.view(numbers), mismatch).numpy()
        found.append(find_prototypes(of_class.numpy(), coordinates, model.layout.table, seed))
    counts = tuple(len(centres) for centres, _ in found)
    layout = model.layout.updated(
        rows=counts,
        view_rows=min(len(model.memory), MAX_PROTOTYPES),
        clusters=counts if model.layout.clusters else None,  # each prototype is one
    )
    compact = ScoreModel(model.settings, layout)
    compact.columns.load_state_dict(model.columns.state_dict())
    compact.middle.copy_(model.middle)
    compact.extent.copy_(model.extent)
    compact.memory.copy_(torch.from_numpy(np.concatenate([centres for centres, _ in found])))
    _fit_views(compact, model.columns.numbers(model.memory))
    for energies in compact.view_energies().values():
        if energies.labels is not None:
            energies.labels.copy_(torch.cat([torch.arange(count) for count in counts]))
    compact.fit_prototypes([torch.from_numpy(counts) for _, counts in found], rows)
    return compact


def _scores_under_other_classes(model: ScoreModel) -> Floats:
    """Return for each row in memory its largest score under the classes to which it does not belong."""
    scores = apply_in_chunks(model.class_scores, model.memory.numpy(), "cpu")
    own = np.repeat(np.arange(model.classes), model.layout.rows)
    scores[np.arange(len(own)), own] = -np.inf
    return scores.max(axis=1)


def _rows_to_keep(
    rows: int, y: NDArray[np.intp] | None, limit: int, seed: int, earlier: EarlierRows | None
) -> list[NDArray[np.intp]]:
    """Return for each class the indices of the rows that are kept in memory, ascending."""
    if earlier is not None:
        rng = numpy_stream(seed, f"memory/{earlier.seen}")
        return [sample_union(earlier.seen, earlier.held, rows - earlier.held, limit, rng)]
    classes = [np.arange(rows)] if y is None else [np.flatnonzero(y == k) for k in range(int(y.max()) + 1)]
    rng = numpy_stream(seed, "memory")
    kept = []
    for indices in classes:
        count = _count_kept(len(indices), rows, limit)
        kept.append(np.sort(rng.choice(indices, count, replace=False)) if count < len(indices) else indices)
    return kept


def _count_kept(of_class: int, rows: int, limit: int) -> int:
    """Return how many of the rows of a class are kept, if about `limit` of all rows are."""
    share = min(1.0, limit / rows)
    return min(of_class, max(round(share * of_class), min(MIN_CLASS_MEMORY, limit)))


def _layout(settings: EnergySettings, table: Layout, rows: tuple[int, ...], views: tuple) -> MemoryLayout:
    if not settings.clusters:
        return MemoryLayout(table=table, rows=rows, views=views)
    clusters = tuple(_count_kept(of_class, sum(rows), settings.clusters) for of_class in rows)
    return MemoryLayout(
        table=table, rows=rows, views=views, view_rows=min(sum(rows), settings.clusters), clusters=clusters
    )


def _has_residuals(settings: EnergySettings, layout: MemoryLayout) -> bool:
    """Return whether residuals of columns are used.

    There must be two columns, and twice as many rows as coordinates, but not too many of these.
    """
    numbers, groups = len(layout.table.numbers), layout.table.groups
    has_normal_scores = {NormalScores.name, WhitenedNormalScores.name} & {*layout.views} or not numbers
    limit = min(settings.residuals or 0, sum(layout.rows) // ROWS_PER_COORDINATE)
    return bool(has_normal_scores) and numbers + len(groups) >= 2 and numbers + sum(groups) <= limit


def _fit_clusters(model: ScoreModel, seed: int) -> None:
    coordinates = model.coordinates(*model.split(model.memory))
    for name, energies in model.view_energies().items():
        by_class = zip(coordinates[name].split(model.layout.rows), model.layout.points, strict=True)
        labels = [cluster_rows(rows.numpy(), count, seed) for rows, count in by_class]
        assert energies.labels is not None
        energies.labels.copy_(torch.from_numpy(np.concatenate(labels)))


def _views(settings: EnergySettings, numbers: int, features: bool, one_unit: bool, groups: bool) -> tuple:
    """Return the names of the views that suit the columns of numbers.

    Views for features, or for columns of one unit, take the place of all others, or have no part. Only the other views
    take categories.

    Args:
        settings: the settings of the energy.
        numbers: number of columns of numbers.
        features: whether they are features.
        one_unit: whether they are measured on one scale.
        groups: whether there are categories or gaps.
    """

    def chosen(suits: Callable[[type[View]], bool]) -> tuple:
        return tuple(name for name in settings.views if suits(VIEWS_BY_NAME[name]))

    if features and (for_features := chosen(lambda view: view.for_features)):
        return for_features
    if one_unit and not groups and (for_one_unit := chosen(lambda view: view.for_one_unit)):
        return for_one_unit
    views = chosen(lambda view: not view.for_features and (one_unit or not view.needs_one_unit))
    if not views or not numbers:
        return settings.views[:1]  # without numbers all views are equal, and at least one is needed
    return views


def _set_ranges(model: ScoreModel, x: Floats, features: bool, common: float) -> None:
    numbers = model.columns.numbers(torch.from_numpy(x))
    if not numbers.shape[1]:
        return
    low, high = numbers.amin(0), numbers.amax(0)
    model.middle.copy_(low / 2 + high / 2)
    if features:
        # Features have one scale, and many are zero for nearly all training rows, so that their own ranges say little.
        model.extent.fill_(float((high / 2 - low / 2).max() * 2))
    else:
        model.extent.copy_(range_scales(low, high, len(x), common))


def _excess_left_out(model: ScoreModel, x: Floats, features: bool, common: float) -> Floats:
    """Return the excess of each row over the ranges of the other rows: `(N, D)` to `(N,)`, see `ScoreModel.excess`.

    Only the row with the one lowest or highest value of a column changes the range of this column.
    """
    numbers = model.columns.numbers(torch.from_numpy(x))
    excess = torch.zeros(len(x), dtype=torch.float64)
    if not numbers.shape[1]:
        return excess.numpy()
    largest, of_largest = numbers.topk(2, dim=0)
    smallest, of_smallest = numbers.topk(2, dim=0, largest=False)
    widest_other = _largest_other(largest[0] - smallest[0])
    for low, high, rows in (
        (smallest[0], largest[1], of_largest[0]),
        (smallest[1], largest[0], of_smallest[0]),
    ):
        own = range_scales(low, high, len(x) - 1, common)
        scales = torch.maximum(high - low, widest_other) if features else own
        values = numbers.gather(0, rows[None])[0]
        ranges = ((values - (low / 2 + high / 2)) / scales).abs() - 1
        excess.index_add_(0, rows, ranges.clamp(0, MAX_EXCESS))
    return excess.clamp(max=MAX_EXCESS).numpy()


def _largest_other(values: torch.Tensor) -> torch.Tensor:
    """Return for each value the largest one of the others: `(P,)` to `(P,)`; zero if there are no others."""
    if len(values) == 1:
        return torch.zeros_like(values)
    (largest, second), (at, _) = values.topk(2)
    others = torch.full_like(values, float(largest))
    others[at] = second
    return others


def _fit_views(model: ScoreModel, numbers: torch.Tensor) -> None:
    for energies in model.view_energies().values():
        if numbers.shape[1]:
            variance = energies.view.fit(numbers)(numbers).var(0, correction=0).sum() / numbers.shape[1]
            energies.unit.copy_(variance.clamp(min=1e-12).sqrt())
