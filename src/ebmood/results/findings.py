"""The comparisons that the paper makes, as functions from arms to changes: tables and claims read them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ebmood.results import poster
from ebmood.results.arms import Arm, Polarity, conditions_of, method_name
from ebmood.results.comparisons import (
    Change,
    average,
    change_of,
    compare,
    log_ratios,
    pair_marks,
    t_interval,
)
from ebmood.results.conditions import Condition, Sets, mark_list

VARIANTS = ("paper", "corrected")
ENERGY_METHODS = ("ssm", "cd", "vera")
TABLE_FLOWS, IMAGE_FLOWS = ("radial", "spline"), ("realnvp", "glow")


@dataclass(frozen=True)
class Flows:
    """The flow on tables and the flow on images that energy-based models are averaged over.

    `name` is in print, of those alone that the data at hand need.
    """

    tables: str
    images: str
    name: str

    def on(self, condition: Condition) -> str:
        """The flow for one body of data."""
        return self.images if condition.images else self.tables


def flows_for(arms: Sequence[Arm]) -> list[Flows]:
    """The flows to average over on the poster's data sets among `arms`.

    The paper has the radial flow on tables, and on images RealNVP and Glow; the poster does not say which of these two
    its average holds, so each is taken that was run, and RealNVP where none was.
    """
    known = known_conditions(arms)
    images = image_flows([arm for arm in arms if arm.condition in known])
    if not any(condition.images for condition in known):
        return [Flows(table, IMAGE_FLOWS[0], method_name(table)) for table in TABLE_FLOWS]
    if all(condition.images for condition in known):
        return [Flows(TABLE_FLOWS[0], image, method_name(image)) for image in images]
    both = [(table, image) for table in TABLE_FLOWS for image in images]
    return [Flows(*pair, " / ".join(map(method_name, pair))) for pair in both]


def image_flows(arms: Sequence[Arm]) -> list[str]:
    """The flows on images that were run, or the first of them where none was."""
    return [flow for flow in IMAGE_FLOWS if any(arm.method == flow for arm in arms)] or [IMAGE_FLOWS[0]]


def poster_flows(arms: Sequence[Arm]) -> list[Flows]:
    """Those of `flows_for` that the poster's average may hold."""
    return [flows for flows in flows_for(arms) if flows.tables == TABLE_FLOWS[0]]


def known_conditions(arms: Sequence[Arm]) -> list[Condition]:
    """The poster's data sets, whole or cut, among the conditions of `arms`."""
    return [condition for condition in conditions_of(arms) if condition.paper]


@dataclass(frozen=True)
class View:
    """What is held fixed in a comparison over data sets: the way of splitting, and the way of selecting.

    Attributes:
        duplicates, selection: as in `Record`.
    """

    duplicates: str
    selection: str


@dataclass(frozen=True)
class Pair:
    """Two arms of one condition, or one and a reason why there is no other.

    Attributes:
        a, b: the sides; the change is of `a` over `b`.
        variant: `paper`, `sound` or `both`: that of the pair.
        missing: why a side is None.
    """

    a: Arm | None
    b: Arm | None
    variant: str
    missing: str = ""

    @property
    def some(self) -> Arm:
        """The side that is there; a pair has at least one."""
        arm = self.a or self.b
        assert arm is not None
        return arm

    def change(self, sets: Sets, polarity: Polarity) -> Change:
        """The paired relative change."""
        return compare(self.a, self.b, sets, polarity, self.missing or "not run")

    def marks(self, *changes: Change, sets: Sets = "all") -> tuple[str, ...]:
        """The marks of both sides, how many seeds are paired, and why a change is missing."""
        reasons = [] if self.missing else [change.why for change in changes if change.percent is None]
        pairs = max(len(change.seeds) for change in changes)
        return mark_list(pair_marks(self.a, self.b, pairs, sets), self.missing, reasons)


def views_of(arms: Sequence[Arm]) -> list[View]:
    """The views that the records hold."""
    return list(dict.fromkeys(View(arm.condition.duplicates, arm.selection) for arm in arms))


def in_view(arms: Sequence[Arm], view: View) -> list[Arm]:
    """The arms that belong to a view."""
    return [arm for arm in arms if View(arm.condition.duplicates, arm.selection) == view]


def variants_in(arms: Sequence[Arm]) -> tuple[str, ...]:
    """The variants that were run; both where no recipe tells them apart."""
    return tuple(v for v in VARIANTS if any(arm.variant == v for arm in arms)) or VARIANTS


def common_variant(a: str, b: str) -> str | None:
    """The variant of a pair: `both` goes with either; `paper` and `sound` do not go together."""
    if a == b or b == "both":
        return a
    return b if a == "both" else None


def pairs(ours: Sequence[Arm], theirs: Sequence[Arm], missing: str, *, same_length: bool) -> Iterator[Pair]:
    """Every pair of arms that agree in data, selection and variant; an arm without a partner stands alone.

    Args:
        ours: sides `a`.
        theirs: sides `b`.
        missing: what is missing where an arm of `ours` has no partner.
        same_length: pair a shortened run with shortened ones only.
    """
    for a in ours:
        found = False
        for b in theirs:
            variant = common_variant(a.variant, b.variant)
            alike = (a.condition, a.selection) == (b.condition, b.selection)
            if alike and variant and (a.shortened == b.shortened or not same_length):
                found = True
                yield Pair(a, b, variant)
        if not found:
            yield Pair(a, None, a.variant, missing)


def supervision_pairs(arms: Sequence[Arm]) -> Iterator[Pair]:
    """Supervision over none, for every energy-based method, in each of its forms, and weight."""
    for look in dict.fromkeys((arm.method, arm.form) for arm in arms if arm.family == "energy"):
        ours = [arm for arm in arms if (arm.method, arm.form) == look and arm.gamma is not None]
        theirs = [arm for arm in arms if (arm.method, arm.form) == look and arm.gamma is None]
        yield from pairs(ours, theirs, "not run: no run without labels of the same length", same_length=True)
        if look[1]:
            continue  # the paper supervises the plain models alone: where these have no labels, nothing is missing
        for b in theirs:
            if not any(a.condition == b.condition and a.selection == b.selection for a in ours):
                yield Pair(None, b, b.variant, "not run: no run with labels")


def embedding_pairs(arms: Sequence[Arm]) -> Iterator[Pair]:
    """Embeddings over pixels, for every energy-based method and weight. Their lengths of training need not agree."""
    ours = [arm for arm in arms if arm.embedding is not None and arm.bottleneck is None]
    yield from _over_plain(ours, arms, "not run: no run on embeddings", same_length=False)


def bottleneck_pairs(arms: Sequence[Arm]) -> Iterator[Pair]:
    """A bottleneck over none, for every energy-based method, factor and weight."""
    ours = [arm for arm in arms if arm.bottleneck is not None and arm.embedding is None]
    yield from _over_plain(ours, arms, "not run: no run with a bottleneck", same_length=True)


def _over_plain(
    ours: Sequence[Arm], arms: Sequence[Arm], missing: str, *, same_length: bool
) -> Iterator[Pair]:
    energies = [arm for arm in arms if arm.family == "energy"]
    without = "not run: no run on the data themselves" + (" of the same length" if same_length else "")
    for method in dict.fromkeys(arm.method for arm in energies):
        for gamma in dict.fromkeys(arm.gamma for arm in energies if arm.method == method):
            look = (method, gamma)
            here = [arm for arm in ours if arm.family == "energy" and (arm.method, arm.gamma) == look]
            plain = [arm for arm in energies if not arm.form and (arm.method, arm.gamma) == look]
            yield from pairs(here, plain, without, same_length=same_length)
            if gamma is not None:
                continue  # the paper has no labels here: where there are any, nothing is missing
            for b in plain:
                if b.condition.images and not any(
                    (a.condition, a.selection) == (b.condition, b.selection) for a in here
                ):
                    yield Pair(None, b, b.variant, missing)


def pick(
    arms: Sequence[Arm],
    condition: Condition,
    method: str,
    variant: str,
    gamma: float | None,
    form: str = "",
) -> list[Arm]:
    """The arms that answer to a description, the one to trust most first: full length, then most seeds."""
    found = [
        arm
        for arm in arms
        if arm.condition == condition
        and arm.method == method
        and arm.variant in (variant, "both")
        and arm.gamma == gamma
        and arm.form == form
    ]
    return sorted(found, key=lambda arm: (arm.shortened, -len(arm.done)))


@dataclass(frozen=True)
class Finding:
    """A change in both polarities, and what its reader must know.

    Attributes:
        aupr_id, aupr_ood: the change with ID, and with OOD, as the positive class.
        marks: as tables show them.
        data: label of the data set or sets.
    """

    aupr_id: Change
    aupr_ood: Change
    marks: tuple[str, ...] = ()
    data: str = ""

    def __getitem__(self, polarity: Polarity) -> Change:
        return self.aupr_id if polarity == "aupr_id" else self.aupr_ood


def contrast(a: Sequence[Arm], b: Sequence[Arm], sets: Sets, missing: str) -> Finding:
    """The change of the first of `a` over the first of `b`; a mark says where there are several of them."""
    pair = Pair(a[0] if a else None, b[0] if b else None, "both", "" if a and b else missing)
    change = pair.change(sets, "aupr_id")
    marks = pair.marks(change, sets=sets) if a or b else (missing,)
    several = max(len(a), len(b))
    marks = mark_list(marks, f"one of {several} recipes" if several > 1 else "")
    return Finding(change, pair.change(sets, "aupr_ood"), marks)


def flow_average(arms: Sequence[Arm], method: str, variant: str, flows: Flows, sets: Sets = "all") -> Finding:
    """An energy-based model without labels over a flow, averaged over the poster's data sets among `arms`.

    `arms` belong to one view. Fewer than the poster's four data sets are marked `partial`.
    """
    conditions = known_conditions(arms)
    names = [condition.paper for condition in conditions]
    if len(set(names)) < len(names):
        why = "not run: a data set stands here with several contents; average over one at a time"
        return Finding(Change(why=why), Change(why=why))
    sides = [
        (pick(arms, c, method, variant, None), pick(arms, c, flows.on(c), variant, None), c)
        for c in conditions
    ]
    present = [(a, b, condition) for a, b, condition in sides if a and b]
    if not present:
        return Finding(Change(why="not run"), Change(why="not run"))
    each = [contrast(a, b, sets, "not run") for a, b, _ in present]
    if len(present) == 1:
        found = each[0]
    else:
        failed = next((f.aupr_id.why for f in each if f.aupr_id.percent is None), "")
        why = failed or "not run: no seed is done on all data sets"

        def mean(polarity: Polarity) -> Change:
            ratios = average([log_ratios(a[0], b[0], sets, polarity) for a, b, _ in present])
            return change_of(ratios, why, any(condition.small for _, _, condition in present))

        found = Finding(mean("aupr_id"), mean("aupr_ood"), mark_list(*(f.marks for f in each)))
    return replace(
        found,
        marks=mark_list(found.marks, partial_mark(len(present))),
        data=f"average ({', '.join(condition.label for _, _, condition in present)})",
    )


def partial_mark(datasets: int, whole: int = len(poster.DATASETS)) -> str:
    """`partial: 1 of 4 data sets`, or an empty string where all of the poster's data sets are there."""
    return f"partial: {datasets} of {whole} data sets" if datasets < whole else ""


def far_change(a: Arm, b: Arm) -> tuple[float, float | None, float | None, int] | None:
    """Mean paired difference of the log-density far from the data, its 95 % interval, and the seeds.

    Far: at the end of the rays, where each value is the median over rays, less the value at their start.
    None where no seed has rays of equal length on both sides.
    """
    differences = []
    for seed in sorted(a.done.keys() & b.done.keys()):
        ours, theirs = a.done[seed].rays, b.done[seed].rays
        if ours and theirs and ours.distance[-1] == theirs.distance[-1]:
            differences.append(ours.median[-1] - theirs.median[-1])
    return (*t_interval(differences), len(differences)) if differences else None
