"""Pairs of arms: the comparisons of the paper. Tables, figures and claims use the same pairs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ebmood.results.arms import Arm, Polarity
from ebmood.results.comparisons import Change, compare, pair_marks
from ebmood.results.conditions import Condition, Sets
from ebmood.results.text import unique_marks

VARIANTS = ("paper", "corrected")


@dataclass(frozen=True)
class View:
    """The settings that all arms of a comparison over data sets have in common.

    Attributes:
        duplicates, selection: as in `Record`.
    """

    duplicates: str
    selection: str


@dataclass(frozen=True)
class Pair:
    """Two arms of one condition, or one arm and the reason why the other is missing.

    Attributes:
        a, b: the two sides; the change is that of `a` over `b`.
        variant: `paper`, `corrected` or `both`.
        missing: why a side is None.
    """

    a: Arm | None
    b: Arm | None
    variant: str
    missing: str = ""

    @property
    def first(self) -> Arm:
        """Side `a`, or side `b` if `a` is None."""
        arm = self.a or self.b
        assert arm is not None
        return arm

    def change(self, sets: Sets, polarity: Polarity) -> Change:
        """Return the paired relative change."""
        return compare(self.a, self.b, sets, polarity, self.missing or "not run")

    def marks(self, *changes: Change, sets: Sets = "all") -> tuple[str, ...]:
        """Return the marks of both sides, the number of paired seeds, and why a change is missing."""
        reasons = [] if self.missing else [change.reason for change in changes if change.percent is None]
        pairs = max(len(change.seeds) for change in changes)
        return unique_marks(pair_marks(self.a, self.b, pairs, sets), self.missing, reasons)


def views_of(arms: Sequence[Arm]) -> list[View]:
    """Return the views of the records."""
    return list(dict.fromkeys(View(arm.condition.duplicates, arm.selection) for arm in arms))


def in_view(arms: Sequence[Arm], view: View) -> list[Arm]:
    """Return the arms of a view."""
    return [arm for arm in arms if View(arm.condition.duplicates, arm.selection) == view]


def variants_in(arms: Sequence[Arm]) -> tuple[str, ...]:
    """Return the variants that were run, or both if no recipe distinguishes them."""
    return tuple(v for v in VARIANTS if any(arm.variant == v for arm in arms)) or VARIANTS


def common_variant(a: str, b: str) -> str | None:
    """Return the variant of a pair: `both` pairs with every variant; `paper` and `corrected` do not pair.

    >>> common_variant("both", "paper"), common_variant("corrected", "paper")
    ('paper', None)
    """
    if a == b or b == "both":
        return a
    return b if a == "both" else None


def same_settings(a: Arm, b: Arm) -> bool:
    """Return whether two arms agree in the settings in which other recipes of their descriptions differ.

    Arms of different methods have no settings to compare. A model on embeddings or with a bottleneck may have other
    settings than the plain one; then the settings that both have are compared.
    """
    if a.method != b.method:
        return True
    paths = {*a.sweep, *b.sweep}
    if a.form != b.form:
        paths &= a.settings.keys() & b.settings.keys()
    return all(a.settings.get(path) == b.settings.get(path) for path in paths)


def by_settings(*sides: Sequence[Arm]) -> list[tuple[list[Arm], ...]]:
    """Return the arms of each side in groups whose members have equal settings, in the order of the arms.

    Without several settings of one description, there is one group.
    """
    groups: list[tuple[list[Arm], ...]] = []
    for i, side in enumerate(sides):
        for arm in side:
            group = next(
                (g for g in groups if all(same_settings(arm, other) for s in g for other in s)), None
            )
            if group is None:
                group = tuple([] for _ in sides)
                groups.append(group)
            group[i].append(arm)
    return groups


def pairs(a_arms: Sequence[Arm], b_arms: Sequence[Arm], missing: str, *, same_length: bool) -> Iterator[Pair]:
    """Yield every pair of arms with equal data, selection and variant, and arms of `a_arms` without a partner.

    Where a method was run with several settings, only recipes with equal settings are pairs.

    Args:
        a_arms: sides `a`.
        b_arms: sides `b`.
        missing: reason for an arm of `a_arms` without a partner.
        same_length: whether shortened runs pair only with shortened runs.
    """
    for a in a_arms:
        partners = []
        for b in b_arms:
            variant = common_variant(a.variant, b.variant)
            same = _same_data(a, b) and same_settings(a, b)
            if variant and same and (a.shortened == b.shortened or not same_length):
                partners.append(Pair(a, b, variant))
        yield from partners or [Pair(a, None, a.variant, missing)]


def supervision_pairs(arms: Sequence[Arm]) -> Iterator[Pair]:
    """Yield supervision over no supervision, for every energy-based method, form and weight."""
    for method, form in dict.fromkeys((arm.method, arm.form) for arm in arms if arm.family == "energy"):
        members = [arm for arm in arms if (arm.method, arm.form) == (method, form)]
        labelled = [arm for arm in members if arm.gamma is not None]
        unlabelled = [arm for arm in members if arm.gamma is None]
        missing = "not run: no run without labels of the same length"
        yield from pairs(labelled, unlabelled, missing, same_length=True)
        if not form:  # the paper supervises only the plain models, on its own data
            of_paper = [arm for arm in unlabelled if arm.condition.paper]
            yield from _unpaired(of_paper, labelled, "not run: no run with labels")


def embedding_pairs(arms: Sequence[Arm]) -> Iterator[Pair]:
    """Yield embeddings over pixels, for every energy-based method and weight. Lengths of training may differ."""
    embedded = [arm for arm in arms if arm.embedding is not None and arm.bottleneck is None]
    yield from _over_plain(embedded, arms, "not run: no run on embeddings", same_length=False)


def bottleneck_pairs(arms: Sequence[Arm]) -> Iterator[Pair]:
    """Yield a bottleneck over none, for every energy-based method, bottleneck and weight."""
    narrow = [arm for arm in arms if arm.bottleneck is not None and arm.embedding is None]
    yield from _over_plain(narrow, arms, "not run: no run with a bottleneck", same_length=True)


def correction_pairs(arms: Sequence[Arm]) -> Iterator[Pair]:
    """Yield the corrected recipe over the paper's, for every energy-based method, form and weight that has both."""
    corrected = [arm for arm in arms if arm.variant == "corrected"]
    for a in corrected:
        for b in arms:
            same = _same_data(a, b) and _description(a) == _description(b) and same_settings(a, b)
            if b.variant == "paper" and same:
                yield Pair(a, b, "both")


def flow_pairs(arms: Sequence[Arm], flow: str) -> Iterator[Pair]:
    """Yield energy-based models without a bottleneck over one flow on the same data or embeddings."""
    energies = [arm for arm in arms if arm.family == "energy" and arm.bottleneck is None]
    for embedding in dict.fromkeys(arm.embedding for arm in energies):
        a_arms = [arm for arm in energies if arm.embedding == embedding]
        b_arms = [arm for arm in arms if arm.method == flow and arm.embedding == embedding]
        for pair in pairs(a_arms, b_arms, "", same_length=False):
            if pair.b is not None:
                yield pair


def pick(
    arms: Sequence[Arm],
    condition: Condition,
    method: str,
    variant: str,
    gamma: float | None,
    form: str = "",
) -> list[Arm]:
    """Return the arms that match a description, the most reliable first: full length, then most seeds."""
    matches = [
        arm
        for arm in arms
        if arm.condition == condition
        and arm.method == method
        and arm.variant in (variant, "both")
        and arm.gamma == gamma
        and arm.form == form
    ]
    return sorted(matches, key=lambda arm: (arm.shortened, -len(arm.done)))


def _same_data(a: Arm, b: Arm) -> bool:
    return (a.condition, a.selection) == (b.condition, b.selection)


def _description(arm: Arm) -> tuple:
    return (arm.method, arm.form, arm.gamma, arm.shortened)


def _unpaired(b_arms: Sequence[Arm], a_arms: Sequence[Arm], missing: str) -> Iterator[Pair]:
    """Yield the arms of `b_arms` for which `a_arms` has nothing on the same data."""
    for b in b_arms:
        if not any(_same_data(a, b) and same_settings(a, b) for a in a_arms):
            yield Pair(None, b, b.variant, missing)


def _over_plain(
    changed: Sequence[Arm], arms: Sequence[Arm], missing: str, *, same_length: bool
) -> Iterator[Pair]:
    """Yield changed models over plain ones of the same method and weight."""
    energies = [arm for arm in arms if arm.family == "energy"]
    without = "not run: no run on the data themselves" + (" of the same length" if same_length else "")
    for method in dict.fromkeys(arm.method for arm in energies):
        for gamma in dict.fromkeys(arm.gamma for arm in energies if arm.method == method):
            key = (method, gamma)
            a_arms = [arm for arm in changed if arm.family == "energy" and (arm.method, arm.gamma) == key]
            b_arms = [arm for arm in energies if not arm.form and (arm.method, arm.gamma) == key]
            yield from pairs(a_arms, b_arms, without, same_length=same_length)
            if gamma is None:  # the paper has no labels here
                images = [arm for arm in b_arms if arm.condition.images]
                yield from _unpaired(images, a_arms, missing)
