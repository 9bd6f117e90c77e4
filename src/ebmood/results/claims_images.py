"""The paper's claims on images: a classifier's embeddings, bottlenecks, and the gap to low-level content."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ebmood.data.dataset import Kind
from ebmood.results import poster
from ebmood.results.arms import Arm, method_name
from ebmood.results.claim import (
    NOT_RUN,
    Claim,
    claim_on_several,
    judge,
    missing,
    not_run,
    verdict_on_difference,
)
from ebmood.results.comparisons import pair_marks, t_interval
from ebmood.results.findings import Finding, Pair, bottleneck_pairs, embedding_pairs, partial_mark
from ebmood.results.gaps import mean_gaps, widening

# On the poster, "OOD detection significantly improves on natural and in cases on non-natural datasets" with embeddings,
# and with bottlenecks it "improves consistently".
_EMBEDDINGS: dict[Kind, tuple[str, bool]] = {
    "natural": ("Training on embeddings significantly improves natural sets", True),
    "non-natural": ("Training on embeddings improves some results on non-natural sets", False),
}
_SEMANTIC = "EBMs without labels struggle to extract high-level, semantic features"
_GAP = "Bottlenecks widen the gap of density between images and low-level features"


def image_claims(arms: Sequence[Arm]) -> Iterator[Claim]:
    """Every claim on images, in the poster's order; where nothing was run that speaks to one, it has one row."""
    here = [arm for arm in arms if arm.condition.paper in poster.IMAGES]
    embeddings = _unlabelled(embedding_pairs(here))
    bottlenecks = _unlabelled(bottleneck_pairs(here))
    without_embeddings, without_bottleneck = (
        f"not run: no run {what}" if here else missing(poster.IMAGES)
        for what in ("on embeddings", "with a bottleneck")
    )
    for kind, (text, every) in _EMBEDDINGS.items():
        yield from _one_by_one(embeddings, poster.EMBEDDINGS, kind)
        number = _rises(poster.EMBEDDINGS, kind)
        yield from _together(embeddings, text, number, kind, every, without_embeddings)
    for kind in poster.KINDS:
        text = f"Bottlenecks of 1x1 convolutions improve {kind} sets"
        yield from _one_by_one(bottlenecks, poster.BOTTLENECK, kind)
        yield from _together(
            bottlenecks, text, _rises(poster.BOTTLENECK, kind), kind, True, without_bottleneck
        )
    for claim in _together(embeddings, _SEMANTIC, "no number", "natural", True, without_embeddings):
        said = ("read off embeddings on natural sets, as on the poster",) if embeddings else ()
        yield replace(claim, evidence=(*said, *claim.evidence))
    if bottlenecks:
        yield from map(_gap_claim, bottlenecks)
    else:
        yield not_run(_GAP, _names(poster.IMAGES), "no number", without_bottleneck)


def _unlabelled(pairs: Iterator[Pair]) -> list[Pair]:
    """The pairs that are whole and have no labels, as on the poster."""
    return [pair for pair in pairs if pair.a and pair.b and pair.a.gamma is None]


def _one_by_one(pairs: Sequence[Pair], table: Sequence[poster.Reported], kind: Kind) -> Iterator[Claim]:
    for pair in pairs:
        arm = pair.some
        reported = poster.number(table, arm.method, arm.condition.paper, kind)
        if reported is None or reported.percent is None:
            continue
        way = "raise" if reported.percent > 0 else "lower"
        changed = (
            f"Embeddings {way}" if arm.bottleneck is None else f"A bottleneck of {arm.bottleneck:g} {way}s"
        )
        text = f"{changed} {method_name(arm.method)} on {kind} sets"
        finding = _finding(pair, kind)
        judged = judge(finding, reported.direction)
        yield Claim(text, arm.condition.label, pair.variant, f"{reported.percent:+.2f}", finding, judged)


def _together(
    pairs: Sequence[Pair], text: str, number: str, kind: Kind, every: bool, lacking: str
) -> Iterator[Claim]:
    """One claim on all pairs of one way of splitting and selecting, one variant and one bottleneck."""
    if not pairs:
        yield not_run(text, _names(poster.IMAGES), number, lacking)
        return
    variants = list(dict.fromkeys(pair.variant for pair in pairs if pair.variant != "both")) or ["both"]
    groups: dict[tuple, list[Pair]] = {}
    for pair in pairs:
        for variant in variants:
            if pair.variant in (variant, "both"):
                arm = pair.some
                look = (arm.condition.duplicates, arm.selection, arm.bottleneck, variant)
                groups.setdefault(look, []).append(pair)
    for (_, _, bottleneck, variant), members in groups.items():
        conditions = list(dict.fromkeys(pair.some.condition for pair in members))
        count = len({condition.paper for condition in conditions})
        which = "" if bottleneck is None else f" (bottleneck {bottleneck:g})"
        yield claim_on_several(
            text + which,
            ", ".join(condition.label for condition in conditions),
            variant,
            [_finding(pair, kind) for pair in members],
            1,
            number,
            partial_mark(count, len(poster.IMAGES)),
            every,
        )


def _gap_claim(pair: Pair) -> Claim:
    assert pair.a
    assert pair.b
    differences = list(widening(pair).values())
    spread = (*t_interval(differences), len(differences)) if differences else None
    judged, told = verdict_on_difference("difference of the mean gaps", spread, 1, pair.a.condition.small)
    with_it, without = (list(mean_gaps(arm).values()) for arm in (pair.a, pair.b))
    flags = Finding(NOT_RUN, NOT_RUN, pair_marks(pair.a, pair.b, len(differences), "low-level"))
    text = f"{_GAP} ({method_name(pair.a.method)}, bottleneck {pair.a.bottleneck:g})"
    evidence = [told]
    if with_it and without:
        means = (sum(values) / len(values) for values in (without, with_it))
        evidence.insert(0, "mean gap {:.3g} without, {:.3g} with".format(*means))
    return Claim(
        text, pair.a.condition.label, pair.variant, "no number", flags, (judged, None), tuple(evidence)
    )


def _finding(pair: Pair, kind: Kind) -> Finding:
    changes = pair.change(kind, "aupr_id"), pair.change(kind, "aupr_ood")
    return Finding(*changes, pair.marks(*changes, sets=kind), pair.some.condition.label)


def _rises(table: Sequence[poster.Reported], kind: Kind) -> str:
    percents = [r.percent for r in table if r.kind == kind and r.percent is not None]
    rises = sum(percent > 0 for percent in percents)
    return f"{min(percents):+.1f} to {max(percents):+.1f}; {rises} of {len(percents)} rise"


def _names(datasets: Sequence[str]) -> str:
    return ", ".join(poster.DATASETS[dataset] for dataset in datasets)
