"""The paper's recipes beside the sound ones, and what becomes of its verdict on score matching."""

from collections.abc import Sequence

from ebmood.data.dataset import Kind
from ebmood.results import poster
from ebmood.results.arms import POLARITIES, Arm
from ebmood.results.comparisons import Verdict, verdict
from ebmood.results.conditions import mark_list
from ebmood.results.findings import (
    VARIANTS,
    Finding,
    contrast,
    flow_average,
    in_view,
    known_conditions,
    pick,
    poster_flows,
    views_of,
)
from ebmood.results.table import DATA, PAIRS, POSITIVE, Cell, Column, Spread, Table, gamma_text, joined


def variants_table(arms: Sequence[Arm]) -> Table:
    """The recipe as published beside the mended one."""
    columns = (
        DATA,
        Column("method", "method"),
        Column("gamma", "γ"),
        Column("sets", "OOD sets"),
        POSITIVE,
        Column("paper", "paper AUC-PR", "spread"),
        Column("corrected", "sound AUC-PR", "spread"),
        Column("change", "sound over paper, %", "change"),
        *PAIRS,
    )
    rows = []
    energies = [arm for arm in arms if arm.family == "energy"]
    looks = {(a.condition, a.selection, a.method, a.form, a.gamma): a.title for a in energies}
    for (condition, selection, method, form, gamma), title in looks.items():
        here = [arm for arm in arms if arm.selection == selection]
        paper, sound = (pick(here, condition, method, variant, gamma, form) for variant in VARIANTS)
        same = bool(paper and sound and paper[0] is sound[0])
        for kind in poster.KINDS:
            finding = contrast(sound, paper, kind, "not run: only one of the two variants")
            for polarity, positive in POLARITIES.items():
                sides = [
                    (Spread.of(arm[0].values(kind, polarity)) or (None if arm[0].done else "failed"))
                    if arm
                    else "not run"
                    for arm in (paper, sound)
                ]
                rows.append(
                    (
                        condition.label,
                        title,
                        gamma_text(gamma),
                        kind,
                        positive,
                        *sides,
                        "the same recipe" if same else finding[polarity],
                        len(finding[polarity].seeds),
                        joined(finding.marks),
                    )
                )
    return Table("variants", "The paper's recipe beside the sound one", columns, tuple(rows))


def ssm_table(arms: Sequence[Arm]) -> Table:
    """Whether the paper's verdict on score matching survives the mending."""
    columns = (
        Column("claim", "the paper's claim on SSM"),
        DATA,
        POSITIVE,
        Column("poster", "poster %", "number", digits=2, signed=True),
        Column("paper", "paper %", "change"),
        Column("paper_verdict", "verdict"),
        Column("corrected", "sound %", "change"),
        Column("sound_verdict", "verdict"),
        Column("outcome", "outcome"),
        Column("marks", "marks"),
    )
    rows = []
    for view in views_of(arms):
        here = in_view(arms, view)
        known = known_conditions(here)
        for flows in poster_flows(here) if known else []:
            below = {variant: flow_average(here, "ssm", variant, flows) for variant in VARIANTS}
            data = next((finding.data for finding in below.values() if finding.data), "average")
            article = "" if all(condition.images for condition in known) else "the "
            claim = f"below {article}{flows.name} (all sets)"
            rows += _ssm_rows(claim, data, below, poster.FLOW["ssm"], -1)
        for condition in known:
            effects: tuple[tuple[Kind, str, int], ...] = (
                ("non-natural", "hurt by supervision on non-natural sets", -1),
                ("natural", "helped by supervision on natural sets", 1),
            )
            for kind, claim, direction in effects:
                effect = {
                    variant: contrast(
                        pick(
                            here,
                            condition,
                            "ssm",
                            variant,
                            poster.supervision_gamma("ssm", condition.paper),
                        ),
                        pick(here, condition, "ssm", variant, None),
                        kind,
                        "not run",
                    )
                    for variant in VARIANTS
                }
                reported = poster.number(poster.SUPERVISION, "ssm", condition.paper, kind)
                rows += _ssm_rows(claim, condition.label, effect, reported and reported.percent, direction)
    notes: tuple[str, ...] = (
        "survives: supported by both; overturned: supported by the paper's recipe, contradicted by the sound "
        "one; not reproduced: contradicted by the paper's own recipe here.",
    )
    if not rows:
        notes = ("None of the poster's data sets was run.",)
    title = "Does the paper's verdict on score matching survive the mending?"
    return Table("ssm", title, columns, tuple(rows), notes)


def _ssm_rows(
    claim: str, data: str, by_variant: dict[str, Finding], number: float | None, direction: int
) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    paper, sound = by_variant["paper"], by_variant["corrected"]
    for polarity, positive in POLARITIES.items():
        published, mended = verdict(paper[polarity], direction), verdict(sound[polarity], direction)
        marks = [
            f"{variant}: {mark}" for variant, finding in by_variant.items() for mark in finding.marks if mark
        ]
        common = [mark for mark in paper.marks if mark in sound.marks]
        own = [mark for mark in marks if mark.split(": ", 1)[1] not in common]
        cells = (paper[polarity], published, sound[polarity], mended, outcome(published, mended))
        rows.append((claim, data, positive, number, *cells, joined(mark_list(common, own))))
    return rows


def outcome(paper: Verdict, sound: Verdict) -> str:
    """What becomes of a claim when the recipe is mended, from its verdict under either recipe."""
    if paper == "contradicted":
        return "not reproduced"
    if paper != "supported":
        return paper
    return {"supported": "survives", "contradicted": "overturned"}.get(sound, sound)
