"""Table: energy-based models against flows."""

from collections.abc import Iterator, Sequence

from ebmood.results import poster
from ebmood.results.arms import POLARITIES, Arm, method_name
from ebmood.results.comparisons import verdict
from ebmood.results.conditions import Sets
from ebmood.results.findings import (
    ENERGY_METHODS,
    IMAGE_FLOWS,
    TABLE_FLOWS,
    VARIANTS,
    Finding,
    flow_average,
    flows_for,
    image_flows,
    in_view,
    pairs,
    poster_flows,
    views_of,
)
from ebmood.results.table import DATA, PAIRS, POSITIVE, RECIPE, Cell, Column, Table, gamma_text, joined


def flow_table(arms: Sequence[Arm]) -> Table:
    """Energy-based models over the flows, for each data set and averaged over the poster's data sets.

    Models of images meet flows of images; models of a classifier's features meet flows of the same features.
    """
    columns = (
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
    rows = [row for flow in (*TABLE_FLOWS, *image_flows(arms)) for row in _flow_rows(arms, flow)]
    for view in views_of(arms):
        rows += _average_rows(in_view(arms, view))
    notes = [
        "An average takes the mean log ratio over the poster's data sets that were run, seed by seed.",
        "The poster's number is the average over four data sets, for models without labels.",
    ]
    if any(arm.condition.images for arm in arms):
        notes.append("The poster does not say which flow on images its number is against.")
    return Table("flow", "Energy-based models over normalizing flows", columns, tuple(rows), tuple(notes))


def _flow_rows(arms: Sequence[Arm], flow: str) -> Iterator[tuple[Cell, ...]]:
    energies = [arm for arm in arms if arm.family == "energy" and arm.bottleneck is None]
    energies = [arm for arm in energies if arm.gamma in (None, _supervised(arm))]
    for embedding in dict.fromkeys(arm.embedding for arm in energies):
        ours = [arm for arm in energies if arm.embedding == embedding and _meets(arm, flow)]
        theirs = [arm for arm in arms if arm.method == flow and arm.embedding == embedding]
        if not theirs and embedding is not None:
            continue
        for pair in pairs(ours, theirs, f"not run: no {method_name(flow)}", same_length=False):
            for polarity, positive in POLARITIES.items():
                natural, other = pair.change("natural", polarity), pair.change("non-natural", polarity)
                whole = pair.change("all", polarity)
                yield (
                    pair.some.condition.label,
                    method_name(flow),
                    pair.some.name,
                    gamma_text(pair.some.gamma),
                    pair.variant,
                    positive,
                    natural,
                    other,
                    whole,
                    None,
                    None,
                    len(whole.seeds),
                    joined(pair.marks(natural, other, whole)),
                )


def _supervised(arm: Arm) -> float:
    return poster.supervision_gamma(arm.method, arm.condition.paper)


def _meets(arm: Arm, flow: str) -> bool:
    return flow in (IMAGE_FLOWS if arm.condition.images and arm.embedding is None else TABLE_FLOWS)


def _average_rows(arms: Sequence[Arm]) -> Iterator[tuple[Cell, ...]]:
    of_the_poster = poster_flows(arms)
    for flows in flows_for(arms):
        for method in ENERGY_METHODS:
            for variant in VARIANTS:
                kinds: dict[Sets, Finding] = {
                    sets: flow_average(arms, method, variant, flows, sets)
                    for sets in ("natural", "non-natural", "all")
                }
                whole = kinds["all"]
                if not whole.data:
                    continue
                number = poster.FLOW[method] if flows in of_the_poster else None
                for polarity, positive in POLARITIES.items():
                    yield (
                        whole.data,
                        flows.name,
                        method_name(method),
                        "none",
                        variant,
                        positive,
                        *(finding[polarity] for finding in kinds.values()),
                        number,
                        None if number is None else verdict(whole[polarity], 1 if number > 0 else -1),
                        len(whole[polarity].seeds),
                        joined(whole.marks),
                    )
