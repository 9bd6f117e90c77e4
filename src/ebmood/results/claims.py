"""Each claim of the paper in one row: our number, its interval, the poster's number, a verdict."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ebmood.results import poster
from ebmood.results.arms import Arm, Condition, conditions_of, mark_list, method_name
from ebmood.results.comparisons import Change, Verdict, verdict, verdict_on_some
from ebmood.results.contrasts import POSTER_FLOW
from ebmood.results.findings import (
    VARIANTS,
    Finding,
    View,
    contrast,
    far_change,
    flow_average,
    in_view,
    partial_mark,
    pick,
    views_of,
)
from ebmood.results.table import DATA, PAIRS, Cell, Column, Table, joined
from ebmood.results.weights import gamma_grids

NOT_RUN = Change(why="not run")
NOWHERE = Finding(NOT_RUN, NOT_RUN)


@dataclass(frozen=True)
class Claim:
    """One claim, under one variant, on one body of data.

    Attributes:
        text: the claim.
        data, variant: where it is judged; the variant is `either` where nothing was run.
        reported: what the poster gives for it.
        finding: our changes.
        verdicts: with ID, and with OOD, as the positive class (None where the claim has no polarity).
        evidence: what the verdict rests on where that is no single change.
    """

    text: str
    data: str
    variant: str
    reported: str
    finding: Finding
    verdicts: tuple[Verdict, Verdict | None]
    evidence: tuple[str, ...] = ()

    def row(self) -> tuple[Cell, ...]:
        """The claim as a row of the table."""
        changes = [self.finding.aupr_id, self.finding.aupr_ood]
        ours, theirs = (None if change == NOT_RUN and self.evidence else change for change in changes)
        marks = joined(mark_list(self.evidence, self.finding.marks))
        pairs = len(self.finding.aupr_id.seeds) or None
        head = (self.text, self.data, self.variant, self.reported)
        return (*head, ours, self.verdicts[0], theirs, self.verdicts[1], pairs, marks)


def claims_table(arms: Sequence[Arm]) -> Table:
    """Every claim of the poster; those that were not run come last."""
    columns = (
        Column("claim", "claim"),
        DATA,
        Column("variant", "variant"),
        Column("poster", "poster %"),
        Column("ours_id", "ours % (ID +)", "change"),
        Column("verdict_id", "verdict (ID +)"),
        Column("ours_ood", "ours % (OOD +)", "change"),
        Column("verdict_ood", "verdict (OOD +)"),
        *PAIRS,
    )
    claims = list(all_claims(arms))
    in_order = sorted(claims, key=lambda claim: set(claim.verdicts) <= {"not run", None})
    notes = (
        "The poster's words make ID the positive class; the authors' code stores the other polarity.",
        "A claim that some results rise (or fall) is supported by one that does with its whole interval, and "
        "contradicted where all go the other way with theirs: a lenient reading, with no allowance for how "
        "many were tried.",
    )
    return Table("claims", "The paper's claims", columns, tuple(claim.row() for claim in in_order), notes)


def all_claims(arms: Sequence[Arm]) -> Iterator[Claim]:
    """Every claim, in the poster's order."""
    views = views_of(arms)
    for view in views:
        yield from _flow_claims(in_view(arms, view))
    if not any(_known(arms)):
        yield from _flow_claims_not_run()
    yield from _supervision_claims(arms)
    yield from _gamma_claims(arms)
    yield from _image_claims()


def _flow_claims(arms: Sequence[Arm]) -> Iterator[Claim]:
    if not any(_known(arms)):
        return
    for variant in VARIANTS:
        findings = []
        for method in poster.METHODS:
            number = poster.FLOW[method]
            finding = flow_average(arms, method, variant, POSTER_FLOW)
            findings.append(finding)
            direction = 1 if number > 0 else -1
            data = finding.data or "average over data sets"
            yield Claim(
                _flow_text(method), data, variant, f"{number:+.1f}", finding, _judge(finding, direction)
            )
        data = next((finding.data for finding in findings if finding.data), "average over data sets")
        text = "EBMs do not consistently outperform flows: at least one method is below"
        yield _some(text, data, variant, findings, -1, "CD and VERA above, SSM below")


def _flow_claims_not_run() -> Iterator[Claim]:
    needs = (_missing(poster.DATASETS),)
    for method in poster.METHODS:
        yield _not_run(_flow_text(method), "average over data sets", f"{poster.FLOW[method]:+.1f}", needs)


def _flow_text(method: str) -> str:
    way = "above" if poster.FLOW[method] > 0 else "below"
    return f"{method_name(method)} is {way} the normalizing flow"


def _supervision_claims(arms: Sequence[Arm]) -> Iterator[Claim]:
    effects: dict[tuple[View, str, str], list[Finding]] = {}
    for reported in poster.SUPERVISION:
        number = "unreadable" if reported.percent is None else f"{reported.percent:+.2f}"
        ways = {1: "raises", -1: "lowers", None: "changes"}
        text = (
            f"Supervision {ways[reported.direction]} {method_name(reported.method)} on {reported.kind} sets"
        )
        conditions = [c for c in conditions_of(arms) if c.dataset.lower() == reported.dataset]
        if not conditions:
            name = poster.DATASETS[reported.dataset]
            yield _not_run(text, name, number, (_missing([reported.dataset]),))
        gamma = poster.supervision_gamma(reported.method, reported.dataset)
        for view in views_of(arms):
            here = in_view(arms, view)
            for condition in (c for c in conditions if c in conditions_of(here)):
                for variant in VARIANTS:
                    ours = pick(here, condition, reported.method, variant, gamma)
                    theirs = pick(here, condition, reported.method, variant, None)
                    finding = contrast(ours, theirs, reported.kind, "not run")
                    effects.setdefault((view, reported.kind, variant), []).append(finding)
                    judged = _judge(finding, reported.direction)
                    yield Claim(text, condition.label, variant, number, finding, judged)
    for kind, direction, text in (
        ("natural", 1, "Supervision improves some results on natural sets"),
        ("non-natural", -1, "Supervision degrades some results on non-natural sets"),
    ):
        readable = [r.percent for r in poster.SUPERVISION if r.kind == kind and r.percent is not None]
        hits = sum(percent * direction > 0 for percent in readable)
        number = f"{hits} of {len(readable)} {'rise' if direction > 0 else 'fall'}"
        if not effects:
            yield _not_run(text, "the poster's data sets", number, (_missing(poster.DATASETS),))
        for view, variant in dict.fromkeys((view, variant) for view, _, variant in effects):
            known = list(_known(in_view(arms, view)))
            names = ", ".join(condition.label for condition in known)
            count = len({condition.dataset.lower() for condition in known})
            partial = partial_mark(count)
            yield _some(text, names, variant, effects[view, kind, variant], direction, number, partial)


def _gamma_claims(arms: Sequence[Arm]) -> Iterator[Claim]:
    harder = "A larger γ makes non-natural sets harder to detect"
    affects = "γ changes the density far from the training data"
    found = False
    for grid in gamma_grids(list(_known_arms(arms))):
        weighted = [arm for arm in grid if arm.gamma is not None]
        small, large = weighted[0], weighted[-1]
        found = True
        variant = _grid_variant(grid)
        finding = contrast([large], [small], "non-natural", "not run")
        over = f"γ = {large.gamma:g} over γ = {small.gamma:g}"
        name = large.name
        label = large.condition.label
        judged = _judge(finding, -1)
        yield Claim(f"{harder} ({name})", label, variant, "no number", finding, judged, (over,))
        far = far_change(large, small)
        flags = Finding(NOT_RUN, NOT_RUN, finding.marks)
        verdict_far, told = _far_verdict(far)
        text = f"{affects} ({name})"
        yield Claim(text, label, variant, "no number", flags, (verdict_far, None), (f"{over}: {told}",))
    if not found:
        for text in (harder, affects):
            yield _not_run(text, "the poster's data sets", "no number", ("not run: a grid of γ",))


def _far_verdict(far: tuple[float, float | None, float | None, int] | None) -> tuple[Verdict, str]:
    if far is None:
        return "not run", "no rays"
    mean, low, high, seeds = far
    if low is None or high is None:
        return "undecided", f"log-density at the rays' end {mean:+.3g} ({seeds} seed)"
    told = f"log-density at the rays' end {mean:+.3g} [{low:+.3g}, {high:+.3g}] ({seeds} seeds)"
    percent = Change(percent=mean, low=low, high=high, seeds=tuple(range(seeds)))
    either = verdict_on_some([percent], 1 if mean > 0 else -1)
    return either, told


def _image_claims() -> Iterator[Claim]:
    images = ["cifar-10", "fmnist"]
    for kind, text in (
        ("natural", "Training on embeddings significantly improves natural sets"),
        ("non-natural", "Training on embeddings improves some results on non-natural sets"),
    ):
        yield _not_run(text, "CIFAR-10, FMNIST", _rises(poster.EMBEDDINGS, kind), (_missing(images),))
    for kind in poster.KINDS:
        text = f"Bottlenecks of 1x1 convolutions improve {kind} sets"
        yield _not_run(text, "CIFAR-10, FMNIST", _rises(poster.BOTTLENECK, kind), (_missing(images),))
    for text in (
        "EBMs without labels struggle to extract high-level, semantic features",
        "Bottlenecks widen the gap of density between images and low-level features",
    ):
        yield _not_run(text, "CIFAR-10, FMNIST", "no number", (_missing(images),))


def _rises(table: Sequence[poster.Reported], kind: str) -> str:
    percents = [r.percent for r in table if r.kind == kind and r.percent is not None]
    rises = sum(percent > 0 for percent in percents)
    return f"{min(percents):+.1f} to {max(percents):+.1f}; {rises} of {len(percents)} rise"


def _judge(finding: Finding, direction: int | None) -> tuple[Verdict, Verdict]:
    return verdict(finding.aupr_id, direction), verdict(finding.aupr_ood, direction)


def _some(
    text: str,
    data: str,
    variant: str,
    findings: Sequence[Finding],
    direction: int,
    reported: str,
    partial: str = "",
) -> Claim:
    verdicts = (
        verdict_on_some([finding.aupr_id for finding in findings], direction),
        verdict_on_some([finding.aupr_ood for finding in findings], direction),
    )
    judged = [verdict(finding.aupr_id, 1) for finding in findings]
    up, down = judged.count("supported"), judged.count("contradicted")
    rest = len(judged) - up - down
    told = f"{up} up, {down} down, {rest} without a verdict (ID +)" if findings else "not run"
    flags = Finding(NOT_RUN, NOT_RUN, mark_list(_marks_of_some(findings), partial))
    return Claim(text, data, variant, reported, flags, verdicts, (told,))


def _marks_of_some(findings: Sequence[Finding]) -> tuple[str, ...]:
    """The marks that some of several findings carry; which of them, their own rows say."""
    marks = mark_list(*(finding.marks for finding in findings))
    flags = [f"some {mark}" for mark in marks if mark in ("degenerate", "shortened")]
    failures = ["some failed"] if any("failed" in mark for mark in marks) else []
    rest = [mark for mark in marks if mark == "leak" or mark.startswith("partial")]
    return mark_list(flags, failures, rest)


def _not_run(text: str, data: str, reported: str, evidence: tuple[str, ...]) -> Claim:
    return Claim(text, data, "either", reported, NOWHERE, ("not run", "not run"), evidence)


def _missing(datasets: Sequence[str] | dict[str, str]) -> str:
    return "not run: needs " + ", ".join(poster.DATASETS[dataset] for dataset in datasets)


def _known(arms: Sequence[Arm]) -> Iterator[Condition]:
    return (c for c in conditions_of(arms) if c.dataset.lower() in poster.DATASETS)


def _known_arms(arms: Sequence[Arm]) -> Iterator[Arm]:
    return (arm for arm in arms if arm.condition.dataset.lower() in poster.DATASETS)


def _grid_variant(grid: Sequence[Arm]) -> str:
    variants = {arm.variant for arm in grid} - {"both"}
    return variants.pop() if len(variants) == 1 else "both"
