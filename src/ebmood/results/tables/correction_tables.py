"""Tables: the paper's recipes and the corrected ones, and the paper's verdict on score matching under both."""

from collections.abc import Iterator, Sequence

from ebmood.data.dataset import Kind
from ebmood.results import poster
from ebmood.results.arms import POLARITIES, Arm
from ebmood.results.comparisons import Verdict, verdict
from ebmood.results.conditions import Condition
from ebmood.results.effects import Effect, contrast, flow_average, flow_choices, poster_conditions
from ebmood.results.pairs import VARIANTS, by_settings, in_view, pick, views_of
from ebmood.results.tables.table import DATA, PAIRS, POSITIVE, Cell, Column, Spread, Table
from ebmood.results.text import gamma_text, joined, marks_of_variants

_VARIANT_COLUMNS = (
    DATA,
    Column("method", "method"),
    Column("gamma", "γ"),
    Column("sets", "OOD sets"),
    POSITIVE,
    Column("paper", "paper AUC-PR", "spread"),
    Column("corrected", "corrected AUC-PR", "spread"),
    Column("change", "corrected over paper, %", "change"),
    *PAIRS,
)
_SSM_COLUMNS = (
    Column("claim", "the paper's claim on SSM"),
    DATA,
    POSITIVE,
    Column("poster", "poster %", "number", digits=2, signed=True),
    Column("paper", "paper %", "change"),
    Column("paper_verdict", "verdict"),
    Column("corrected", "corrected %", "change"),
    Column("corrected_verdict", "verdict"),
    Column("outcome", "outcome"),
    Column("marks", "marks"),
)
_SSM_EFFECTS: tuple[tuple[Kind, str, int], ...] = (
    ("non-natural", "lowered by supervision on non-natural sets", -1),
    ("natural", "raised by supervision on natural sets", 1),
)


def variants_table(arms: Sequence[Arm]) -> Table:
    """Return the scores of the paper's recipe and of the corrected one, and the change between them."""
    energies = [arm for arm in arms if arm.family == "energy"]
    keys = {(a.condition, a.selection, a.method, a.form, a.gamma): a.title for a in energies}
    rows = []
    for (condition, selection, method, form, gamma), title in keys.items():
        members = [arm for arm in arms if arm.selection == selection]
        sides = [pick(members, condition, method, variant, gamma, form) for variant in VARIANTS]
        for group in by_settings(*sides) or [([], [])]:
            name = next((arm.name for side in group for arm in side), title)
            head = (condition.label, name, gamma_text(gamma))
            rows += [row for kind in poster.KINDS for row in _variant_rows(head, kind, *group)]
    title = "The paper's recipe and the corrected one"
    return Table("variants", title, _VARIANT_COLUMNS, tuple(rows))


def _variant_rows(
    head: tuple[Cell, ...], kind: Kind, paper: Sequence[Arm], corrected: Sequence[Arm]
) -> Iterator[tuple[Cell, ...]]:
    same = bool(paper and corrected and paper[0] is corrected[0])
    effect = contrast(corrected, paper, kind, "not run: only one of the two variants")
    for polarity, positive in POLARITIES.items():
        spreads: list[Cell] = []
        for arms in (paper, corrected):
            failed = "failed" if arms and not arms[0].done else None
            spread = Spread.of_metric(arms[0].values(kind, polarity)) if arms else None
            spreads.append((spread or failed) if arms else "not run")
        change = "the same recipe" if same else effect[polarity]
        yield (*head, kind, positive, *spreads, change, len(effect[polarity].seeds), joined(effect.marks))


def ssm_table(arms: Sequence[Arm]) -> Table:
    """Return the paper's claims on score matching under its own recipe and under the corrected one."""
    rows = []
    for view in views_of(arms):
        members = in_view(arms, view)
        known = poster_conditions(members)
        for flows in flow_choices(members) if known else []:
            if flows.of_poster:
                effects = {variant: flow_average(members, "ssm", variant, flows) for variant in VARIANTS}
                data = next((effect.data for effect in effects.values() if effect.data), "average")
                rows += _ssm_rows(f"below {flows.name} (all sets)", data, effects, poster.FLOW["ssm"], -1)
        for condition in known:
            for kind, claim, direction in _SSM_EFFECTS:
                effects = {variant: _supervision(members, condition, variant, kind) for variant in VARIANTS}
                reported = poster.number(poster.SUPERVISION, "ssm", condition.paper, kind)
                number = reported and reported.percent
                rows += _ssm_rows(claim, condition.label, effects, number, direction)
    notes: tuple[str, ...] = (
        "survives: supported under both recipes; overturned: supported under the paper's recipe, contradicted under "
        "the corrected one; not reproduced: contradicted under the paper's recipe.",
    )
    if not rows:
        notes = ("None of the poster's data sets was run.",)
    title = "Does the paper's verdict on score matching survive the corrections?"
    return Table("ssm", title, _SSM_COLUMNS, tuple(rows), notes)


def _supervision(arms: Sequence[Arm], condition: Condition, variant: str, kind: Kind) -> Effect:
    gamma = poster.supervision_gamma("ssm", condition.paper)
    labelled = pick(arms, condition, "ssm", variant, gamma)
    return contrast(labelled, pick(arms, condition, "ssm", variant, None), kind, "not run")


def _ssm_rows(
    claim: str, data: str, effects: dict[str, Effect], number: float | None, direction: int
) -> Iterator[tuple[Cell, ...]]:
    paper, corrected = effects["paper"], effects["corrected"]
    marks = joined(marks_of_variants({variant: effect.marks for variant, effect in effects.items()}))
    for polarity, positive in POLARITIES.items():
        before, after = verdict(paper[polarity], direction), verdict(corrected[polarity], direction)
        cells = (paper[polarity], before, corrected[polarity], after, outcome(before, after))
        yield (claim, data, positive, number, *cells, marks)


def outcome(paper: Verdict, corrected: Verdict) -> str:
    """Return what the correction changes about a claim, from its verdicts under the paper's and the corrected recipe.

    >>> outcome("supported", "contradicted")
    'overturned'
    """
    if paper == "contradicted":
        return "not reproduced"
    if paper != "supported":
        return paper
    return {"supported": "survives", "contradicted": "overturned"}.get(corrected, corrected)
