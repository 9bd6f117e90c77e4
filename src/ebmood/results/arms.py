"""Which records belong together: an arm is one recipe on one body of data, under several seeds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ebmood.core.settings import digest
from ebmood.results import poster
from ebmood.results.conditions import Condition, Sets, conditions_by_data, data_of, mark_list
from ebmood.study.records import OODResult, Record

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
    "realnvp": "RealNVP",
    "glow": "Glow",
    "gmm": "Gaussian mixture",
    "knn": "nearest neighbours",
    "iforest": "isolation forest",
    "max-softmax": "max softmax of the classifier",
    "logsumexp": "logsumexp energy of the classifier",
}
_VARIANTS = ("paper", "corrected", "both")


@dataclass(frozen=True)
class Arm:
    """The records of one recipe in one condition, one for each seed.

    Attributes:
        condition: the data.
        method, family, variant, gamma, bottleneck, embedding, selection, shortened: as in `Record`.
        form: bottleneck and embedding as the end of a name; empty for the plain method on the data themselves.
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
    bottleneck: float | None
    embedding: str | None
    form: str
    selection: str
    shortened: bool
    recipe: str
    name: str
    expected: tuple[int, ...]
    records: dict[int, Record]

    @property
    def title(self) -> str:
        """The method's name with its bottleneck and embedding."""
        return method_name(self.method) + self.form

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
        """The marks that hold for the arm as a whole."""
        marks = {
            "degenerate": any(record.degenerate for record in self.records.values()),
            "shortened": self.shortened,
            "leak": self.selection == "paper",
            "healed": any(record.events for record in self.done.values()),
        }
        return tuple(mark for mark, holds in marks.items() if holds)

    @property
    def marks(self) -> tuple[str, ...]:
        """All that a reader of this arm's numbers must know."""
        return self.marks_on("all")

    def marks_on(self, sets: Sets) -> tuple[str, ...]:
        """What a reader of this arm's numbers on the sets of one kind must know."""
        seeds = seeds_mark(len(self.done), len(self.expected))
        return mark_list(self.flags, self.condition.flags(sets), seeds, self.failures)

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


def chosen_sets(record: Record, sets: Sets) -> tuple[OODResult, ...]:
    """The record's results on the sets of one kind, or on all natural and non-natural ones.

    Low-level content of ID images is no set of the poster's, and never among them.
    """
    kinds = poster.KINDS if sets == "all" else (sets,)
    return tuple(result for result in record.results if result.kind in kinds)


def mean_over_sets(record: Record, sets: Sets, metric: Metric) -> float:
    """Mean of `metric` over the out-of-distribution sets of one kind; each set weighs the same."""
    return float(np.mean([getattr(result, metric) for result in chosen_sets(record, sets)]))


def method_name(method: str) -> str:
    """The name of a method in print."""
    return METHOD_NAMES.get(method, method)


def gather(records: Iterable[Record], seeds: Mapping[str, Iterable[int]] | None = None) -> list[Arm]:
    """Sort records into arms, in the order in which tables show them.

    Of several records of one cell the last stands, but a failure never hides an earlier result.

    Args:
        records: done and failed ones.
        seeds: that were planned, by the data set's name; those of the records count in any case.
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

    conditions = conditions_by_data(list(cells.values()))
    forms = _forms(cells.values())
    expected: dict[Condition, set[int]] = {}
    for record in cells.values():
        condition = conditions[data_of(record)]
        expected.setdefault(condition, set((seeds or {}).get(condition.dataset, ()))).add(record.seed)

    looks: dict[tuple, list[str]] = {}
    for identity in groups:
        looks.setdefault(identity[:-1], []).append(identity[-1])

    arms = []
    for identity, by_seed in groups.items():
        first = next(iter(by_seed.values()))
        condition = conditions[data_of(first)]
        alone = len(looks[identity[:-1]]) == 1
        form = forms[first.bottleneck, first.embedding]
        arms.append(
            Arm(
                condition=condition,
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
                name=method_name(first.method) + form + ("" if alone else f" #{identity[-1][:4]}"),
                expected=tuple(sorted(expected[condition])),
                records=dict(sorted(by_seed.items())),
            )
        )
    return _in_order(arms)


def conditions_of(arms: Iterable[Arm]) -> list[Condition]:
    """The conditions in the order in which tables show them."""
    return list(dict.fromkeys(arm.condition for arm in arms))


def _identity(record: Record) -> tuple:
    recipe = digest(_present(record.settings.get("recipe", {})))
    form = (record.bottleneck, record.embedding)
    look = (record.method, *form, record.variant, record.gamma, record.selection, record.shortened)
    return (*data_of(record), *look, recipe)


def _present(settings: object) -> object:
    """Settings without what is absent, so that one which later versions add, absent by default, changes nothing."""
    if isinstance(settings, dict):
        return {key: _present(value) for key, value in settings.items() if value is not None}
    return [_present(value) for value in settings] if isinstance(settings, list) else settings


def _forms(records: Iterable[Record]) -> dict[tuple[float | None, str | None], str]:
    found = dict.fromkeys((record.bottleneck, record.embedding) for record in records)
    several = len({embedding for _, embedding in found if embedding is not None}) > 1
    forms = {}
    for bottleneck, embedding in found:
        of = f" of {embedding}" if several else ""
        on = "" if embedding is None else f" on embeddings{of}"
        through = "" if bottleneck is None else f", bottleneck {bottleneck:g}"
        forms[bottleneck, embedding] = on + through
    return forms


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
            arm.embedding or "",
            arm.bottleneck or 0.0,
            gamma,
            variant,
            arm.selection,
            arm.shortened,
        )

    return sorted(arms, key=place)
