"""Table: energy-based models over normalizing flows."""

from collections.abc import Iterator, Sequence

from ebmood.results import poster
from ebmood.results.arms import POLARITIES, Arm
from ebmood.results.comparisons import verdict
from ebmood.results.conditions import Sets
from ebmood.results.effects import FlowChoice, flow_average, flow_choices
from ebmood.results.pairs import VARIANTS, Pair, flow_pairs, in_view, views_of
from ebmood.results.tables.table import DATA, PAIRS, POSITIVE, RECIPE, Cell, Column, Table
from ebmood.results.text import gamma_text, joined

_KINDS: tuple[Sets, ...] = ("natural", "non-natural", "all")
_COLUMNS = (
    DATA,
    Column("flow", "flow"),
    *RECIPE,
    POSITIVE,
    Column("natural", "natural %", "change"),
    Column("nonnatural", "non-natural %", "change"),
    Column("all", "all sets %", "change"),
    Column("poster", "poster %", "number", digits=1, signed=True),
    Column("verdict", "verdict"),
    *PAIRS,
)


def flow_table(arms: Sequence[Arm]) -> Table:
    """Return energy-based models over each flow, for each data set and averaged over those of the poster.

    Models of pixels are compared with flows of pixels, and models of embeddings with flows of the same embeddings.
    """
    flows = dict.fromkeys(arm.method for arm in arms if arm.family == "flow")
    rows = [row for flow in flows for pair in _pairs(arms, flow) for row in _pair_rows(pair)]
    for view in views_of(arms):
        members = in_view(arms, view)
        for choice in flow_choices(members):
            rows += _average_rows(members, choice)
    notes = [
        "An average is the mean log ratio over the data sets of the poster that were run, seed by seed.",
        "The poster's number is the average over four data sets, for models without labels.",
    ]
    if any(arm.condition.images for arm in arms):
        notes.append("The poster does not say which flow on images its number is for.")
    if not rows:
        notes = ["No energy-based model was run with a flow on the same data."]
    return Table("flow", "Energy-based models over normalizing flows", _COLUMNS, tuple(rows), tuple(notes))


def _pairs(arms: Sequence[Arm], flow: str) -> Iterator[Pair]:
    """Yield the pairs of models without labels, and with the weight of the poster."""
    for pair in flow_pairs(arms, flow):
        arm = pair.first
        if arm.gamma in (None, poster.supervision_gamma(arm.method, arm.condition.paper)):
            yield pair


def _pair_rows(pair: Pair) -> Iterator[tuple[Cell, ...]]:
    assert pair.b is not None
    arm = pair.first
    for polarity, positive in POLARITIES.items():
        changes = [pair.change(sets, polarity) for sets in _KINDS]
        head = (
            arm.condition.label,
            pair.b.method_title,
            arm.name,
            gamma_text(arm.gamma),
            pair.variant,
            positive,
        )
        yield (*head, *changes, None, None, len(changes[-1].seeds), joined(pair.marks(*changes)))


def _average_rows(arms: Sequence[Arm], flows: FlowChoice) -> Iterator[tuple[Cell, ...]]:
    methods = {arm.method: arm.title for arm in arms if arm.family == "energy" and not arm.form}
    for method, title in methods.items():
        for variant in VARIANTS:
            effects = [flow_average(arms, method, variant, flows, sets) for sets in _KINDS]
            total = effects[-1]
            if not total.data:
                continue
            number = poster.FLOW.get(method) if flows.of_poster else None
            for polarity, positive in POLARITIES.items():
                judged = None if number is None else verdict(total[polarity], 1 if number > 0 else -1)
                head = (total.data, flows.name, title, "none", variant, positive)
                changes = [effect[polarity] for effect in effects]
                pairs = len(total[polarity].seeds)
                yield (*head, *changes, number, judged, pairs, joined(total.marks))
