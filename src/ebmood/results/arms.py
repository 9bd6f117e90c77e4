"""Arms: the records of one recipe on one data set, under several seeds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ebmood.results import poster
from ebmood.results.conditions import Condition, DataKey, Sets, conditions_by_data, data_key
from ebmood.results.text import one_line, unique_marks
from ebmood.study.records import OODResult, Record
from ebmood.study.sweeps import differing, distinctions, flat_settings, recipe_digest

Metric = Literal["aupr_id", "aupr_ood", "auroc", "fpr95"]
Polarity = Literal["aupr_id", "aupr_ood"]

POLARITIES: dict[Polarity, str] = {"aupr_id": "ID", "aupr_ood": "OOD"}
"""The positive class of the area under the precision-recall curve."""

UNSTABLE_RANGE = 0.2
"""An arm whose seeds differ by more than this in AUROC is marked `unstable`."""

NUDGE_LIMIT = 0.01
"""An arm is marked `not repeatable` if a nudged twin differs from its cell by more than this in AUROC on any set."""

_FAMILIES = ("energy", "flow", "baseline")
_VARIANTS = ("paper", "corrected", "modern", "both")


@dataclass(frozen=True)
class Arm:
    """The records of one recipe in one condition, one record per seed.

    Attributes:
        condition: the data set.
        method, family, variant, gamma, bottleneck, embedding, selection, shortened: as in `Record`.
        form: bottleneck and embedding as the end of a name; empty for the plain method.
        recipe: digest of the settings of the recipe.
        title: title of the method, with `form`.
        name: `title`; if other recipes have the same description, with the settings in which they differ, or with a
            part of the digest where these are long.
        expected: seeds of the whole condition; those without a record are missing.
        records: records by seed, done or failed.
        twins: records of the nudged twins of these cells by seed, done or failed; see `ebmood.study.twins`.
        settings: settings of the recipe by dotted path, such as `objective.sigma`.
        sweep: paths of the settings in which recipes of the same description differ.
    """

    condition: Condition
    method: str
    family: str
    variant: str
    gamma: float | None
    bottleneck: float | None
    embedding: str | None
    form: str
    selection: str
    shortened: bool
    recipe: str
    title: str
    name: str
    expected: tuple[int, ...]
    records: dict[int, Record]
    twins: dict[int, Record]
    settings: dict[str, object] = field(default_factory=dict, compare=False)
    sweep: tuple[str, ...] = ()

    @property
    def method_title(self) -> str:
        """Title of the method without bottleneck and embedding."""
        return self.title.removesuffix(self.form)

    @property
    def distinction(self) -> str:
        """What tells the name apart from other recipes of the same description: `sigma=0.3`, `#15ef`, or nothing."""
        return self.name.removeprefix(self.title).strip(", ")

    @property
    def label(self) -> str:
        """Name, variant and weight of the cross-entropy, such as `SSM, paper, γ = 1`."""
        variant = "" if self.variant == "both" else f", {self.variant}"
        return self.name + variant + ("" if self.gamma is None else f", γ = {self.gamma:g}")

    @property
    def done(self) -> dict[int, Record]:
        """Records with results, by seed."""
        return {seed: record for seed, record in self.records.items() if record.status == "done"}

    @property
    def failures(self) -> str:
        """Number and reasons of failed records, such as `2 failed: out of memory`, or an empty string."""
        failed = [record for record in self.records.values() if record.status == "failed"]
        reasons = dict.fromkeys(one_line(record.reason or "no reason recorded") for record in failed)
        return f"{len(failed)} failed: {' / '.join(reasons)}" if failed else ""

    @property
    def unstable(self) -> bool:
        """Whether the seeds differ by more than 0.2 in AUROC, on natural or on non-natural sets."""
        return any(is_spread_out(self.values(kind, "auroc")) for kind in poster.KINDS)

    @property
    def nudged_pairs(self) -> dict[str, dict[int, tuple[float, float]]]:
        """AUROC of a cell and of its nudged twin, by set and seed, where both are done."""
        pairs: dict[str, dict[int, tuple[float, float]]] = {}
        for seed, record in self.done.items():
            if seed not in self.twins or self.twins[seed].status == "failed":
                continue
            of_twin = {result.name: result.auroc for result in self.twins[seed].results}
            for result in record.results:
                if result.name in of_twin:
                    pairs.setdefault(result.name, {})[seed] = (result.auroc, of_twin[result.name])
        return pairs

    @property
    def nudge_difference(self) -> float | None:
        """Largest difference in AUROC between a cell and its nudged twin, over seeds and sets; None without twins."""
        pairs = [pair for by_seed in self.nudged_pairs.values() for pair in by_seed.values()]
        return max((abs(cell - twin) for cell, twin in pairs), default=None)

    @property
    def flags(self) -> tuple[str, ...]:
        """Marks of the whole arm."""
        marks = {
            "degenerate": any(record.degenerate for record in self.records.values()),
            "shortened": self.shortened,
            "leak": self.selection == "paper",
            "unstable": self.unstable,
            "not repeatable": (self.nudge_difference or 0) > NUDGE_LIMIT,
            "rollback": any(record.events for record in self.done.values()),
        }
        return tuple(mark for mark, applies in marks.items() if applies)

    @property
    def marks(self) -> tuple[str, ...]:
        """All marks of the numbers of this arm."""
        return self.marks_on("all")

    def marks_on(self, sets: Sets) -> tuple[str, ...]:
        """Return the marks of the numbers of this arm on the sets of one kind."""
        seeds = seeds_mark(len(self.done), len(self.expected))
        return unique_marks(self.flags, self.condition.flags(sets), seeds, self.failures)

    def values(self, sets: Sets, metric: Metric) -> np.ndarray:
        """Return `metric` averaged over the sets of one kind, for each seed that is done: shape `(seeds,)`."""
        records = [record for record in self.done.values() if chosen_sets(record, sets)]
        return np.array([mean_over_sets(record, sets, metric) for record in records])


def is_spread_out(values: np.ndarray) -> bool:
    """Return whether values over seeds, shape `(seeds,)`, differ by more than `UNSTABLE_RANGE`.

    >>> is_spread_out(np.array([0.3, 0.9])), is_spread_out(np.array([0.8, 0.9]))
    (True, False)
    """
    return len(values) > 1 and float(np.ptp(values)) > UNSTABLE_RANGE


def seeds_mark(seeds: int, expected: int) -> str:
    """Return `3 of 5 seeds` if seeds are missing, else an empty string."""
    return f"{seeds} of {expected} seeds" if seeds < expected else ""


def chosen_sets(record: Record, sets: Sets) -> tuple[OODResult, ...]:
    """Return the results of a record on the sets of one kind; `all` means natural and non-natural sets."""
    kinds = poster.KINDS if sets == "all" else (sets,)
    return tuple(result for result in record.results if result.kind in kinds)


def mean_over_sets(record: Record, sets: Sets, metric: Metric) -> float:
    """Return the unweighted mean of `metric` over the out-of-distribution sets of one kind."""
    return float(np.mean([getattr(result, metric) for result in chosen_sets(record, sets)]))


def gather(records: Iterable[Record], seeds: Mapping[str, Iterable[int]] | None = None) -> list[Arm]:
    """Group records into arms, in the order of the tables. Nudged twins are kept beside the cells of their arm.

    Of several records of one cell the last is used, but a failure never replaces a result.

    Args:
        records: done and failed records.
        seeds: planned seeds by name of the data set; seeds of records are always expected.
    """
    every = list(records)
    cells = _last_of_each_cell(record for record in every if record.twin_of is None)
    twins = _last_of_each_cell(record for record in every if record.twin_of is not None)
    groups: dict[tuple, dict[int, Record]] = {}
    for (identity, seed), record in cells.items():
        groups.setdefault(identity, {})[seed] = record
    conditions = conditions_by_data(list(cells.values()))
    expected = _expected_seeds(cells.values(), conditions, seeds or {})
    forms = _forms(cells.values())
    recipes = {identity: _recipe(next(iter(by_seed.values()))) for identity, by_seed in groups.items()}
    sweeps = _sweeps(recipes)
    arms = []
    for identity, by_seed in groups.items():
        first = next(iter(by_seed.values()))
        key, form = data_key(first), forms[first.bottleneck, first.embedding]
        title = first.title + form
        arms.append(
            Arm(
                condition=conditions[key],
                method=first.method,
                family=first.family,
                variant=first.variant,
                gamma=first.gamma,
                bottleneck=first.bottleneck,
                embedding=first.embedding,
                form=form,
                selection=first.selection,
                shortened=first.shortened,
                recipe=identity[-1],
                title=title,
                name=title + sweeps[identity][0],
                expected=tuple(sorted(expected[key])),
                records=dict(sorted(by_seed.items())),
                twins={seed: twins[identity, seed] for seed in sorted(by_seed) if (identity, seed) in twins},
                settings=flat_settings(recipes[identity]),
                sweep=sweeps[identity][1],
            )
        )
    return _in_order(arms)


def conditions_of(arms: Iterable[Arm]) -> list[Condition]:
    """Return the conditions in the order of the tables."""
    return list(dict.fromkeys(arm.condition for arm in arms))


def _last_of_each_cell(records: Iterable[Record]) -> dict[tuple, Record]:
    cells: dict[tuple, Record] = {}
    for record in records:
        cell = (_identity(record), record.seed)
        if cell in cells and record.status == "failed" and cells[cell].status == "done":
            continue
        cells[cell] = record
    return cells


def _identity(record: Record) -> tuple:
    """Return what the records of an arm have in common; the last item identifies the recipe's settings."""
    recipe = recipe_digest(_recipe(record))
    form = (record.bottleneck, record.embedding)
    description = (record.method, *form, record.variant, record.gamma, record.selection, record.shortened)
    return (*data_key(record), *description, recipe)


def _recipe(record: Record) -> dict[str, object]:
    return {key: value for key, value in record.settings.get("recipe", {}).items() if key != "title"}


def _sweeps(recipes: Mapping[tuple, dict[str, object]]) -> dict[tuple, tuple[str, tuple[str, ...]]]:
    """Return for each identity the end of its name, and the paths in which recipes of its description differ."""
    descriptions: dict[tuple, list[tuple]] = {}
    for identity in recipes:
        descriptions.setdefault(identity[:-1], []).append(identity)
    sweeps: dict[tuple, tuple[str, tuple[str, ...]]] = {}
    for members in descriptions.values():
        several = [recipes[identity] for identity in members]
        paths = differing([flat_settings(recipe) for recipe in several])
        texts = distinctions(several) if len(several) > 1 else [""]
        for identity, text in zip(members, texts, strict=True):
            separator = " " if text.startswith("#") else ", " if text else ""
            sweeps[identity] = (separator + text, paths)
    return sweeps


def _expected_seeds(
    records: Iterable[Record],
    conditions: Mapping[DataKey, Condition],
    planned: Mapping[str, Iterable[int]],
) -> dict[DataKey, set[int]]:
    expected: dict[DataKey, set[int]] = {}
    for record in records:
        key = data_key(record)
        expected.setdefault(key, set(planned.get(conditions[key].dataset, ()))).add(record.seed)
    return expected


def _forms(records: Iterable[Record]) -> dict[tuple[float | None, str | None], str]:
    """Return the end of a method's name for each bottleneck and embedding."""
    pairs = dict.fromkeys((record.bottleneck, record.embedding) for record in records)
    several = len({embedding for _, embedding in pairs if embedding is not None}) > 1
    forms = {}
    for bottleneck, embedding in pairs:
        source = f" of {embedding}" if several else ""
        forms[bottleneck, embedding] = ("" if embedding is None else f" on embeddings{source}") + (
            "" if bottleneck is None else f", bottleneck {bottleneck:g}"
        )
    return forms


def _in_order(arms: list[Arm]) -> list[Arm]:
    """Sort by condition, family, title and settings. The order of the records has no influence within a condition."""
    conditions = {condition: i for i, condition in enumerate(conditions_of(arms))}

    def position(arm: Arm) -> tuple:
        return (
            conditions[arm.condition],
            _FAMILIES.index(arm.family),
            arm.method_title.casefold(),
            arm.method,
            arm.embedding or "",
            arm.bottleneck or 0.0,
            -1.0 if arm.gamma is None else arm.gamma,
            _VARIANTS.index(arm.variant),
            arm.selection,
            arm.shortened,
            [_sortable(arm.settings.get(path)) for path in arm.sweep],
            arm.recipe,
        )

    return sorted(arms, key=position)


def _sortable(value: object) -> tuple[bool, float, str]:
    """Return a key that orders numbers by size, before other values."""
    is_number = isinstance(value, int | float)
    return (not is_number, float(value) if is_number else 0.0, "" if is_number else str(value))
