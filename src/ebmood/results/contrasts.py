"""The poster's tables of what a change brings: supervision, a classifier's embeddings, bottlenecks."""

from collections.abc import Sequence

from ebmood.results import poster
from ebmood.results.arms import POLARITIES, Arm
from ebmood.results.comparisons import verdict
from ebmood.results.findings import Pair, bottleneck_pairs, embedding_pairs, supervision_pairs
from ebmood.results.table import DATA, PAIRS, POSITIVE, RECIPE, Cell, Column, Table, gamma_text, joined

_COLUMNS = (
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
_SIGN = "Verdicts judge the sign of the poster's number, however small it is."
_UNLABELLED = "The poster's numbers stand beside models without labels."


def supervision_table(arms: Sequence[Arm]) -> Table:
    """Supervision over none, natural and non-natural columns as on the poster."""
    rows = []
    for pair in supervision_pairs(arms):
        arm = pair.some
        gamma = pair.a.gamma if pair.a else None
        its_own = gamma == poster.supervision_gamma(arm.method, arm.condition.paper)
        on_poster = (pair.a is None or its_own) and not arm.form
        rows += _rows(pair, poster.SUPERVISION if on_poster else ())
    weights = "γ = 1"
    if any(arm.condition.images for arm in arms):
        weights += " (on images 100 for VERA)"
    notes = (
        f"The poster's numbers are for {weights}; `no direction` where its number cannot be read.",
        _SIGN,
    )
    return Table("supervision", "Supervision over none", _COLUMNS, tuple(rows), notes)


def embeddings_table(arms: Sequence[Arm]) -> Table:
    """A classifier's embeddings over pixels, natural and non-natural columns as on the poster."""
    rows = []
    for pair in embedding_pairs(arms):
        rows += _rows(pair, poster.EMBEDDINGS if pair.some.gamma is None else ())
    names = dict.fromkeys(arm.embedding for arm in arms if arm.embedding is not None)
    of = (f"Embeddings are the penultimate features of {', '.join(names)}.",) if names else ()
    return Table("embeddings", "Embeddings over pixels", _COLUMNS, tuple(rows), (*of, _UNLABELLED, _SIGN))


def bottleneck_table(arms: Sequence[Arm]) -> Table:
    """Bottlenecks over none, natural and non-natural columns as on the poster."""
    rows = []
    for pair in bottleneck_pairs(arms):
        rows += _rows(pair, poster.BOTTLENECK if pair.some.gamma is None else ())
    factor = (
        "A bottleneck's number is the share of the channels that it lets through. The poster does not say for "
        "which its own numbers are, so they stand beside each."
    )
    return Table("bottleneck", "Bottlenecks over none", _COLUMNS, tuple(rows), (factor, _UNLABELLED, _SIGN))


def _rows(pair: Pair, table: Sequence[poster.Reported]) -> list[tuple[Cell, ...]]:
    """A row for each polarity, with the poster's numbers where `table` has them."""
    arm = pair.some
    rows = []
    for polarity, positive in POLARITIES.items():
        cells: list[Cell] = []
        changes = [pair.change(kind, polarity) for kind in poster.KINDS]
        for kind, change in zip(poster.KINDS, changes, strict=True):
            reported = poster.number(table, arm.method, arm.condition.paper, kind)
            judged = None if reported is None else verdict(change, reported.direction)
            cells += [change, reported and reported.percent, judged]
        head = (arm.condition.label, arm.name, gamma_text(arm.gamma), pair.variant, positive)
        pairs = max(len(change.seeds) for change in changes)
        rows.append((*head, *cells, pairs, joined(pair.marks(*changes))))
    return rows
