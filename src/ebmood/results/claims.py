"""Each claim of the paper in one row: our number, its interval, the poster's number, a verdict."""

from collections.abc import Iterator, Sequence

from ebmood.results import poster
from ebmood.results.arms import Arm, conditions_of, method_name
from ebmood.results.claim import (
    NOT_RUN,
    Claim,
    claim_on_several,
    judge,
    missing,
    not_run,
    verdict_on_difference,
)
from ebmood.results.claims_images import image_claims
from ebmood.results.findings import (
    Finding,
    Flows,
    View,
    contrast,
    far_change,
    flow_average,
    in_view,
    known_conditions,
    partial_mark,
    pick,
    poster_flows,
    variants_in,
    views_of,
)
from ebmood.results.table import DATA, PAIRS, Column, Table
from ebmood.results.weights import gamma_grids


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
    if any(arm.condition.images for arm in arms):
        notes += (
            "A claim without `some` on several results is supported where each one is, and contradicted by one.",
        )
    return Table("claims", "The paper's claims", columns, tuple(claim.row() for claim in in_order), notes)


def all_claims(arms: Sequence[Arm]) -> Iterator[Claim]:
    """Every claim, in the poster's order."""
    views = views_of(arms)
    for view in views:
        yield from _flow_claims(in_view(arms, view))
    if not known_conditions(arms):
        yield from _flow_claims_not_run()
    yield from _supervision_claims(arms)
    yield from _gamma_claims(arms)
    yield from image_claims(arms)


def _flow_claims(arms: Sequence[Arm]) -> Iterator[Claim]:
    if not known_conditions(arms):
        return
    choices = [(flows, variant) for flows in poster_flows(arms) for variant in variants_in(arms)]
    for flows, variant in choices:
        findings = []
        for method in poster.METHODS:
            number = poster.FLOW[method]
            finding = flow_average(arms, method, variant, flows)
            findings.append(finding)
            judged = judge(finding, 1 if number > 0 else -1)
            data = finding.data or "average over data sets"
            yield Claim(_flow_text(method, arms, flows), data, variant, f"{number:+.1f}", finding, judged)
        data = next((finding.data for finding in findings if finding.data), "average over data sets")
        text = "EBMs do not consistently outperform flows: at least one method is below" + _which(arms, flows)
        yield claim_on_several(text, data, variant, findings, -1, "CD and VERA above, SSM below")


def _flow_claims_not_run() -> Iterator[Claim]:
    for method in poster.METHODS:
        number = f"{poster.FLOW[method]:+.1f}"
        yield not_run(_flow_text(method), "average over data sets", number, missing(poster.DATASETS))


def _flow_text(method: str, arms: Sequence[Arm] = (), flows: Flows | None = None) -> str:
    way = "above" if poster.FLOW[method] > 0 else "below"
    return f"{method_name(method)} is {way} the normalizing flow" + (_which(arms, flows) if flows else "")


def _which(arms: Sequence[Arm], flows: Flows) -> str:
    """Which flow, where images leave a choice."""
    return f" ({flows.name})" if any(condition.images for condition in known_conditions(arms)) else ""


def _supervision_claims(arms: Sequence[Arm]) -> Iterator[Claim]:
    effects: dict[tuple[View, str, str], list[Finding]] = {}
    for reported in poster.SUPERVISION:
        number = "unreadable" if reported.percent is None else f"{reported.percent:+.2f}"
        ways = {1: "raises", -1: "lowers", None: "changes"}
        text = (
            f"Supervision {ways[reported.direction]} {method_name(reported.method)} on {reported.kind} sets"
        )
        conditions = [c for c in conditions_of(arms) if c.paper == reported.dataset]
        if not conditions:
            name = poster.DATASETS[reported.dataset]
            yield not_run(text, name, number, missing([reported.dataset]))
        gamma = poster.supervision_gamma(reported.method, reported.dataset)
        for view in views_of(arms):
            here = in_view(arms, view)
            for condition in (c for c in conditions if c in conditions_of(here)):
                for variant in variants_in(here):
                    ours = pick(here, condition, reported.method, variant, gamma)
                    theirs = pick(here, condition, reported.method, variant, None)
                    finding = contrast(ours, theirs, reported.kind, "not run")
                    effects.setdefault((view, reported.kind, variant), []).append(finding)
                    judged = judge(finding, reported.direction)
                    yield Claim(text, condition.label, variant, number, finding, judged)
    for kind, direction, text in (
        ("natural", 1, "Supervision improves some results on natural sets"),
        ("non-natural", -1, "Supervision degrades some results on non-natural sets"),
    ):
        readable = [r.percent for r in poster.SUPERVISION if r.kind == kind and r.percent is not None]
        hits = sum(percent * direction > 0 for percent in readable)
        number = f"{hits} of {len(readable)} {'rise' if direction > 0 else 'fall'}"
        if not effects:
            yield not_run(text, "the poster's data sets", number, missing(poster.DATASETS))
        for view, variant in dict.fromkeys((view, variant) for view, _, variant in effects):
            known = known_conditions(in_view(arms, view))
            names = ", ".join(condition.label for condition in known)
            count = len({condition.paper for condition in known})
            partial = partial_mark(count)
            yield claim_on_several(
                text, names, variant, effects[view, kind, variant], direction, number, partial
            )


def _gamma_claims(arms: Sequence[Arm]) -> Iterator[Claim]:
    harder = "A larger γ makes non-natural sets harder to detect"
    affects = "γ changes the density far from the training data"
    found = False
    for grid in gamma_grids([arm for arm in arms if arm.condition.paper]):
        weighted = [arm for arm in grid if arm.gamma is not None]
        small, large = weighted[0], weighted[-1]
        found = True
        variant = _grid_variant(grid)
        finding = contrast([large], [small], "non-natural", "not run")
        over = f"γ = {large.gamma:g} over γ = {small.gamma:g}"
        name = large.name
        label = large.condition.label
        judged = judge(finding, -1)
        yield Claim(f"{harder} ({name})", label, variant, "no number", finding, judged, (over,))
        far = far_change(large, small)
        flags = Finding(NOT_RUN, NOT_RUN, finding.marks)
        way = 1 if far and far[0] > 0 else -1  # the claim is of a change, whichever way
        small_scale = large.condition.small
        verdict_far, told = verdict_on_difference("log-density at the rays' end", far, way, small_scale)
        text = f"{affects} ({name})"
        yield Claim(text, label, variant, "no number", flags, (verdict_far, None), (f"{over}: {told}",))
    if not found:
        for text in (harder, affects):
            yield not_run(text, "the poster's data sets", "no number", "not run: a grid of γ")


def _grid_variant(grid: Sequence[Arm]) -> str:
    variants = {arm.variant for arm in grid} - {"both"}
    return variants.pop() if len(variants) == 1 else "both"
