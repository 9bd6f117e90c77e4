"""The claims of the poster on supervision and on its weight gamma."""

from collections.abc import Iterator, Sequence

from ebmood.data.dataset import Kind
from ebmood.results import poster
from ebmood.results.arms import Arm
from ebmood.results.claims.claim import NOT_RUN, Claim, claim_on_several, judge, verdict_on_difference
from ebmood.results.conditions import Condition
from ebmood.results.effects import (
    Effect,
    contrast,
    far_differences,
    gamma_grids,
    partial_mark,
    poster_conditions,
)
from ebmood.results.pairs import View, in_view, pick, variants_in, views_of

_GENERAL: tuple[tuple[Kind, int, str], ...] = (
    ("natural", 1, "Supervision raises some results on natural sets"),
    ("non-natural", -1, "Supervision lowers some results on non-natural sets"),
)
_VERBS = {1: "raises", -1: "lowers", None: "changes"}


def supervision_claims(arms: Sequence[Arm]) -> Iterator[Claim]:
    """Yield one claim per number of the poster on data of the study, and the general claims."""
    effects: dict[tuple[View, str, str], list[Effect]] = {}
    for view in views_of(arms):
        members = in_view(arms, view)
        for condition in poster_conditions(members):
            for reported in poster.SUPERVISION:
                if reported.dataset != condition.paper:
                    continue
                for variant in variants_in(members):
                    claim = _claim(members, condition, reported, variant)
                    effects.setdefault((view, reported.kind, variant), []).append(claim.effect)
                    yield claim
    for kind, direction, text in _GENERAL:
        for view, variant in dict.fromkeys((view, variant) for view, _, variant in effects):
            known = poster_conditions(in_view(arms, view))
            data = ", ".join(condition.label for condition in known)
            partial = partial_mark(len({condition.paper for condition in known}))
            members = effects[view, kind, variant]
            yield claim_on_several(text, data, variant, members, direction, _hits(kind, direction), partial)


def _claim(arms: Sequence[Arm], condition: Condition, reported: poster.Reported, variant: str) -> Claim:
    method, kind = reported.method, reported.kind
    labelled = pick(arms, condition, method, variant, poster.supervision_gamma(method, reported.dataset))
    unlabelled = pick(arms, condition, method, variant, None)
    effect = contrast(labelled, unlabelled, kind, "not run")
    number = "unreadable" if reported.percent is None else f"{reported.percent:+.2f}"
    text = f"Supervision {_VERBS[reported.direction]} {poster.METHODS[method]} on {kind} sets"
    return Claim(text, condition.label, variant, number, effect, judge(effect, reported.direction))


def _hits(kind: str, direction: int) -> str:
    readable = [r.percent for r in poster.SUPERVISION if r.kind == kind and r.percent is not None]
    hits = sum(percent * direction > 0 for percent in readable)
    return f"{hits} of {len(readable)} {'rise' if direction > 0 else 'fall'}"


def gamma_claims(arms: Sequence[Arm]) -> Iterator[Claim]:
    """Yield the claims on the weight of the cross-entropy, for each grid of weights on data of the poster."""
    for grid in gamma_grids([arm for arm in arms if arm.condition.paper]):
        weighted = [arm for arm in grid if arm.gamma is not None]
        small, large = weighted[0], weighted[-1]
        variants = {arm.variant for arm in grid} - {"both"}
        variant = variants.pop() if len(variants) == 1 else "both"
        label = large.condition.label
        weights = f"γ = {large.gamma:g} over γ = {small.gamma:g}"

        effect = contrast([large], [small], "non-natural", "not run")
        text = f"A larger γ lowers {large.name} on non-natural sets"
        yield Claim(text, label, variant, "no number", effect, judge(effect, -1), (weights,), True)

        differences = far_differences(large, small)
        direction = 1 if sum(differences.values()) > 0 else -1  # the claim is a change in any direction
        name = "log-density at the end of the rays"
        judged, evidence = verdict_on_difference(name, differences, direction, large.condition.small)
        text = f"γ changes the density of {large.name} far from the data"
        marks = Effect(NOT_RUN, NOT_RUN, effect.marks)
        evidence = f"{weights}: {evidence}"
        yield Claim(text, label, variant, "no number", marks, (judged, None), (evidence,), True)
