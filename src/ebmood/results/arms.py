"""Which records belong together: an arm is one recipe on one body of data, under several seeds."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ebmood.settings import digest
from ebmood.study.records import OODResult, Record

Sets = Literal["natural", "non-natural", "all"]
Metric = Literal["aupr_id", "aupr_ood", "auroc", "fpr95"]
Polarity = Literal["aupr_id", "aupr_ood"]

POLARITIES: dict[Polarity, str] = {"aupr_id": "ID", "aupr_ood": "OOD"}
"""Which side is positive in the area under the precision-recall curve."""

METHOD_NAMES = {
    "ssm": "SSM",
    "cd": "CD",
    "vera": "VERA",
    "radial": "radial flow",
    "spline": "spline flow",
    "gmm": "Gaussian mixture",
    "knn": "nearest neighbours",
    "iforest": "isolation forest",
}
_VARIANTS = ("paper", "sound", "both")


@dataclass(frozen=True)
class Condition:
    """One body of data under one way of splitting it. Cells of different conditions are never compared.

    Attributes:
        dataset: the data set's name.
        content: digest of its content.
        duplicates: `together` or `across`.
        label: what tables call it; tells apart every condition of a study.
    """

    dataset: str
    content: str
    duplicates: str
    label: str = field(compare=False)


@dataclass(frozen=True)
class Arm:
    """The records of one recipe in one condition, one for each seed.

    Attributes:
        condition: the data.
        method, family, variant, gamma, selection, shortened: as in `Record`.
        recipe: digest of the recipe's settings.
        name: what tables call the method; tells apart recipes that differ in unnamed settings alone.
        expected: the seeds of the whole condition, so that missing ones show.
        records: by seed, done or failed.
    """

    condition: Condition
    method: str
    family: str
    variant: str
    gamma: float | None
    selection: str
    shortened: bool
    recipe: str
    name: str
    expected: tuple[int, ...]
    records: dict[int, Record]

    @property
    def done(self) -> dict[int, Record]:
        """The records with results, by seed."""
        return {seed: record for seed, record in self.records.items() if record.status == "done"}

    @property
    def failures(self) -> str:
        """`2 failed: reason`, or an empty string."""
        failed = [record for record in self.records.values() if record.status == "failed"]
        reasons = dict.fromkeys(one_line(record.reason or "no reason recorded") for record in failed)
        return f"{len(failed)} failed: {' / '.join(reasons)}" if failed else ""

    @property
    def flags(self) -> tuple[str, ...]:
        """The marks that concern the recipe itself, not its seeds."""
        marks = {
            "degenerate": any(record.degenerate for record in self.records.values()),
            "shortened": self.shortened,
            "leak": self.selection == "paper",
        }
        return tuple(mark for mark, holds in marks.items() if holds)

    @property
    def marks(self) -> tuple[str, ...]:
        """All that a reader of this arm's numbers must know."""
        return mark_list(self.flags, seeds_mark(len(self.done), len(self.expected)), self.failures)

    def values(self, sets: Sets, metric: Metric) -> np.ndarray:
        """`metric` averaged over the sets of one kind, for each seed that is done: shape `(seeds,)`."""
        return np.array(
            [
                mean_over_sets(record, sets, metric)
                for record in self.done.values()
                if chosen_sets(record, sets)
            ]
        )


def one_line(text: str, length: int = 120) -> str:
    """The first line of `text`, cut to `length` characters."""
    first = text.strip().splitlines()[0] if text.strip() else ""
    return first if len(first) <= length else first[: length - 3] + "..."


def seeds_mark(seeds: int, expected: int) -> str:
    """`3 of 5 seeds` where some are missing, else an empty string."""
    return f"{seeds} of {expected} seeds" if seeds < expected else ""


def mark_list(*marks: str | Iterable[str]) -> tuple[str, ...]:
    """Marks in the order given, without repetition and without empty ones."""
    flat = [text for mark in marks for text in ([mark] if isinstance(mark, str) else mark)]
    return tuple(dict.fromkeys(text for text in flat if text))


def chosen_sets(record: Record, sets: Sets) -> tuple[OODResult, ...]:
    """The record's results on the out-of-distribution sets of one kind (or on all)."""
    return tuple(result for result in record.results if sets in ("all", result.kind))


def mean_over_sets(record: Record, sets: Sets, metric: Metric) -> float:
    """Mean of `metric` over the out-of-distribution sets of one kind; each set weighs the same."""
    return float(np.mean([getattr(result, metric) for result in chosen_sets(record, sets)]))


def method_name(method: str) -> str:
    """The name of a method in print."""
    return METHOD_NAMES.get(method, method)


def gather(records: Iterable[Record]) -> list[Arm]:
    """Sort records into arms, in the order in which tables show them.

    Of several records of one cell the last stands, but a failure never hides an earlier result.
    """
    cells: dict[tuple, Record] = {}
    for record in records:
        cell = (_identity(record), record.seed)
        if cell in cells and record.status == "failed" and cells[cell].status == "done":
            continue
        cells[cell] = record

    groups: dict[tuple, dict[int, Record]] = {}
    for (identity, seed), record in cells.items():
        groups.setdefault(identity, {})[seed] = record

    conditions = _conditions(cells.values())
    expected: dict[Condition, set[int]] = {}
    for record in cells.values():
        expected.setdefault(conditions[_data(record)], set()).add(record.seed)

    looks: dict[tuple, list[str]] = {}
    for identity in groups:
        looks.setdefault(identity[:-1], []).append(identity[-1])

    arms = []
    for identity, by_seed in groups.items():
        first = next(iter(by_seed.values()))
        condition = conditions[_data(first)]
        alone = len(looks[identity[:-1]]) == 1
        arms.append(
            Arm(
                condition=condition,
                method=first.method,
                family=first.family,
                variant=first.variant,
                gamma=first.gamma,
                selection=first.selection,
                shortened=first.shortened,
                recipe=identity[-1],
                name=method_name(first.method) + ("" if alone else f" #{identity[-1][:4]}"),
                expected=tuple(sorted(expected[condition])),
                records=dict(sorted(by_seed.items())),
            )
        )
    return _in_order(arms)


def conditions_of(arms: Iterable[Arm]) -> list[Condition]:
    """The conditions in the order in which tables show them."""
    return list(dict.fromkeys(arm.condition for arm in arms))


def _data(record: Record) -> tuple[str, str, str]:
    return record.dataset, record.dataset_digest, record.duplicates


def _identity(record: Record) -> tuple:
    recipe = digest(record.settings.get("recipe", {}))
    look = (record.method, record.variant, record.gamma, record.selection, record.shortened)
    return (*_data(record), *look, recipe)


def _conditions(records: Iterable[Record]) -> dict[tuple, Condition]:
    data = list(dict.fromkeys(_data(record) for record in records))
    conditions = {}
    for name, content, duplicates in data:
        namesakes = [other for other in data if (other[0], other[2]) == (name, duplicates)]
        remarks = [
            *(["duplicates across"] if duplicates == "across" else []),
            *([f"content {content[:6]}"] if len(namesakes) > 1 else []),
        ]
        label = f"{name} ({', '.join(remarks)})" if remarks else name
        conditions[name, content, duplicates] = Condition(name, content, duplicates, label)
    return conditions


def _in_order(arms: list[Arm]) -> list[Arm]:
    conditions = {condition: place for place, condition in enumerate(conditions_of(arms))}
    known = list(METHOD_NAMES)
    methods = known + [arm.method for arm in arms if arm.method not in known]

    def place(arm: Arm) -> tuple:
        gamma = -1.0 if arm.gamma is None else arm.gamma
        variant = _VARIANTS.index(arm.variant)
        return (
            conditions[arm.condition],
            methods.index(arm.method),
            gamma,
            variant,
            arm.selection,
            arm.shortened,
        )

    return sorted(arms, key=place)
