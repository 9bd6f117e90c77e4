"""Energy-based models against flows, and supervision against none."""

from collections.abc import Sequence

from ebmood.results import poster
from ebmood.results.arms import POLARITIES, Arm, Sets, method_name
from ebmood.results.comparisons import verdict
from ebmood.results.findings import (
    ENERGY_METHODS,
    VARIANTS,
    Finding,
    flow_average,
    in_view,
    pairs,
    supervision_pairs,
    views_of,
)
from ebmood.results.table import DATA, PAIRS, POSITIVE, RECIPE, Cell, Column, Table, gamma_text, joined

FLOWS = ("radial", "spline")
POSTER_FLOW = "radial"
PAPER_GAMMA = 1.0


def flow_table(arms: Sequence[Arm]) -> Table:
    """Energy-based models over the flows, for each data set and averaged over the poster's data sets."""
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
    ebms = [arm for arm in arms if arm.family == "energy" and arm.gamma in (None, PAPER_GAMMA)]
    rows: list[tuple[Cell, ...]] = []
    for flow in FLOWS:
        theirs = [arm for arm in arms if arm.method == flow]
        for pair in pairs(ebms, theirs, f"not run: no {method_name(flow)}", same_length=False):
            for polarity, positive in POLARITIES.items():
                natural, other = pair.change("natural", polarity), pair.change("non-natural", polarity)
                whole = pair.change("all", polarity)
                rows.append(
                    (
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
                )
    for view in views_of(arms):
        rows += _flow_average_rows(in_view(arms, view))
    notes = (
        "An average takes the mean log ratio over the poster's data sets that were run, seed by seed.",
        "The poster's number is the average over four data sets, for models without labels.",
    )
    return Table("flow", "Energy-based models over normalizing flows", columns, tuple(rows), notes)


def _flow_average_rows(arms: Sequence[Arm]) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    for flow in FLOWS:
        for method in ENERGY_METHODS:
            for variant in VARIANTS:
                kinds: dict[Sets, Finding] = {
                    sets: flow_average(arms, method, variant, flow, sets)
                    for sets in ("natural", "non-natural", "all")
                }
                whole = kinds["all"]
                if not whole.data:
                    continue
                number = poster.FLOW[method] if flow == POSTER_FLOW else None
                for polarity, positive in POLARITIES.items():
                    rows.append(
                        (
                            whole.data,
                            method_name(flow),
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
                    )
    return rows


def supervision_table(arms: Sequence[Arm]) -> Table:
    """Supervision over none, natural and non-natural columns as on the poster."""
    columns = (
        DATA,
        *RECIPE,
        POSITIVE,
        Column("natural", "natural %", "change"),
        Column("natural_poster", "poster %", "number", digits=2, signed=True),
        Column("natural_verdict", "verdict"),
        Column("nonnatural", "non-natural %", "change"),
        Column("nonnatural_poster", "poster %", "number", digits=2, signed=True),
        Column("nonnatural_verdict", "verdict"),
        *PAIRS,
    )
    rows = []
    for pair in supervision_pairs(arms):
        arm = pair.some
        dataset = arm.condition.dataset
        gamma = pair.a.gamma if pair.a else None
        on_poster = pair.a is None or gamma == poster.supervision_gamma(arm.method, dataset)
        for polarity, positive in POLARITIES.items():
            cells: list[Cell] = []
            changes = [pair.change(kind, polarity) for kind in poster.KINDS]
            for kind, change in zip(poster.KINDS, changes, strict=True):
                reported = poster.supervision(arm.method, dataset, kind) if on_poster else None
                judged = None if reported is None else verdict(change, reported.direction)
                cells += [change, reported and reported.percent, judged]
            shown = "none" if pair.a is None else gamma_text(gamma)
            rows.append(
                (
                    arm.condition.label,
                    arm.name,
                    shown,
                    pair.variant,
                    positive,
                    *cells,
                    max(len(change.seeds) for change in changes),
                    joined(pair.marks(*changes)),
                )
            )
    notes = (
        "The poster's numbers are for γ = 1; `no direction` where its number cannot be read.",
        "Verdicts judge the sign of the poster's number, however small it is.",
    )
    return Table("supervision", "Supervision over none", columns, tuple(rows), notes)
