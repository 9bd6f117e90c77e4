"""The claims of the poster on images: embeddings of a classifier, bottlenecks, and gaps to low-level content."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ebmood.data.dataset import Kind
from ebmood.results import poster
from ebmood.results.arms import Arm
from ebmood.results.claims.claim import (
    NOT_RUN,
    Claim,
    claim_on_several,
    judge,
    not_run,
    rises,
    verdict_on_difference,
)
from ebmood.results.comparisons import pair_marks
from ebmood.results.effects import Effect, effect_of, partial_mark
from ebmood.results.gaps import gap_differences, mean_gaps
from ebmood.results.pairs import Pair, bottleneck_pairs, embedding_pairs

# The poster: with embeddings "OOD detection significantly improves on natural and in cases on non-natural datasets";
# with bottlenecks it "improves consistently".
_EMBEDDINGS: dict[Kind, tuple[str, bool]] = {
    "natural": ("Embeddings raise all results on natural sets", True),
    "non-natural": ("Embeddings raise some results on non-natural sets", False),
}
_SEMANTIC = "EBMs on pixels miss semantic features"
_GAP = "Bottlenecks widen the density gap to low-level content"


def image_claims(arms: Sequence[Arm]) -> Iterator[Claim]:
    """Yield every claim on images; none without image data of the poster."""
    members = [arm for arm in arms if arm.condition.paper in poster.IMAGES]
    if not members:
        return
    embeddings = _unlabelled(embedding_pairs(members))
    bottlenecks = _unlabelled(bottleneck_pairs(members))
    data = ", ".join(dict.fromkeys(arm.condition.label for arm in members))
    yield from _embedding_claims(embeddings, data)
    yield from _bottleneck_claims(bottlenecks, data)
    no_number = "no number"
    for claim in _together(embeddings, _SEMANTIC, no_number, "natural", True, data, "on embeddings"):
        basis = ("judged by embeddings on natural sets, as on the poster",) if embeddings else ()
        yield replace(claim, evidence=(*basis, *claim.evidence))
    if bottlenecks:
        yield from map(_gap_claim, bottlenecks)
    else:
        yield not_run(_GAP, data, no_number, "not run: no run with a bottleneck")


def _embedding_claims(pairs: Sequence[Pair], data: str) -> Iterator[Claim]:
    for kind, (text, every) in _EMBEDDINGS.items():
        yield from _one_by_one(pairs, poster.EMBEDDINGS, kind)
        number = rises(poster.EMBEDDINGS, kind)
        yield from _together(pairs, text, number, kind, every, data, "on embeddings")


def _bottleneck_claims(pairs: Sequence[Pair], data: str) -> Iterator[Claim]:
    for kind in poster.KINDS:
        text = f"Bottlenecks raise all results on {kind} sets"
        yield from _one_by_one(pairs, poster.BOTTLENECK, kind)
        number = rises(poster.BOTTLENECK, kind)
        yield from _together(pairs, text, number, kind, True, data, "with a bottleneck")


def _unlabelled(pairs: Iterable[Pair]) -> list[Pair]:
    """Return complete pairs without labels, as on the poster."""
    return [pair for pair in pairs if pair.a and pair.b and pair.a.gamma is None]


def _one_by_one(pairs: Sequence[Pair], table: Sequence[poster.Reported], kind: Kind) -> Iterator[Claim]:
    for pair in pairs:
        arm = pair.first
        reported = poster.number(table, arm.method, arm.condition.paper, kind)
        if reported is None or reported.percent is None:
            continue
        verb = "raise" if reported.percent > 0 else "lower"
        subject = "Embeddings" if arm.bottleneck is None else f"Bottleneck {arm.bottleneck:g}"
        ending = "" if arm.bottleneck is None else "s"
        text = f"{subject} {verb}{ending} {poster.METHODS[reported.method]} on {kind} sets"
        effect = effect_of(pair, kind)
        verdicts = judge(effect, reported.direction)
        number = f"{reported.percent:+.2f}"
        yield Claim(text, arm.condition.label, pair.variant, number, effect, verdicts)


def _together(
    pairs: Sequence[Pair], text: str, number: str, kind: Kind, every: bool, data: str, missing: str
) -> Iterator[Claim]:
    """Yield one claim on all pairs of each view, variant and bottleneck."""
    if not pairs:
        yield not_run(text, data, number, f"not run: no run {missing}")
        return
    variants = list(dict.fromkeys(pair.variant for pair in pairs if pair.variant != "both")) or ["both"]
    groups: dict[tuple, list[Pair]] = {}
    for pair in pairs:
        for variant in variants:
            if pair.variant in (variant, "both"):
                arm = pair.first
                key = (arm.condition.duplicates, arm.selection, arm.bottleneck, variant)
                groups.setdefault(key, []).append(pair)
    for (_, _, bottleneck, variant), members in groups.items():
        conditions = list(dict.fromkeys(pair.first.condition for pair in members))
        yield claim_on_several(
            text
            if bottleneck is None
            else text.replace("Bottlenecks raise", f"Bottleneck {bottleneck:g} raises"),
            ", ".join(condition.label for condition in conditions),
            variant,
            [effect_of(pair, kind) for pair in members],
            1,
            number,
            partial_mark(len({condition.paper for condition in conditions}), len(poster.IMAGES)),
            every,
        )


def _gap_claim(pair: Pair) -> Claim:
    assert pair.a
    assert pair.b
    arm = pair.a
    differences = gap_differences(pair)
    name = "difference of the mean gaps"
    judged, text = verdict_on_difference(name, differences, 1, arm.condition.small)
    evidence = [text]
    with_bottleneck, without = (list(mean_gaps(side).values()) for side in (pair.a, pair.b))
    if with_bottleneck and without:
        means = (sum(values) / len(values) for values in (without, with_bottleneck))
        evidence.insert(0, "mean gap {:.3g} without, {:.3g} with".format(*means))
    marks = pair_marks(pair.a, pair.b, len(differences), "low-level")
    title = arm.method_title
    return Claim(
        f"Bottleneck {arm.bottleneck:g} widens the gap to low-level content ({title})",
        arm.condition.label,
        pair.variant,
        "no number",
        Effect(NOT_RUN, NOT_RUN, marks),
        (judged, None),
        tuple(evidence),
        True,
    )
