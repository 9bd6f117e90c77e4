"""Tables of the poster: the change by supervision, by embeddings of a classifier, and by bottlenecks."""

from collections.abc import Sequence

from ebmood.results import poster
from ebmood.results.arms import POLARITIES, Arm
from ebmood.results.comparisons import verdict
from ebmood.results.pairs import Pair, bottleneck_pairs, embedding_pairs, supervision_pairs
from ebmood.results.tables.table import DATA, PAIRS, POSITIVE, RECIPE, Cell, Column, Table
from ebmood.results.text import gamma_text, joined

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
_SIGN = "A verdict concerns only the sign of the poster's number."
_UNLABELLED = "The poster's numbers are for models without labels."


def supervision_numbers(pair: Pair) -> Sequence[poster.Reported]:
    """Return the poster's table for a pair of supervised and unsupervised models; empty for other weights."""
    arm = pair.first
    gamma = pair.a.gamma if pair.a else None
    same_weight = gamma in (None, poster.supervision_gamma(arm.method, arm.condition.paper))
    return poster.SUPERVISION if same_weight and not arm.form else ()


def supervision_table(arms: Sequence[Arm]) -> Table:
    """Return supervision over no supervision, with the columns of the poster."""
    rows = [row for pair in supervision_pairs(arms) for row in _rows(pair, supervision_numbers(pair))]
    weights = "γ = 1"
    if any(arm.condition.images for arm in arms):
        weights += " (on images 100 for VERA)"
    unreadable = "the verdict is `no direction` where a number is not readable"
    notes = (f"The poster's numbers are for {weights}; {unreadable}.", _SIGN)
    return Table("supervision", "Supervision over no supervision", _COLUMNS, tuple(rows), notes)


def embeddings_table(arms: Sequence[Arm]) -> Table:
    """Return embeddings of a classifier over pixels, with the columns of the poster."""
    rows = []
    for pair in embedding_pairs(arms):
        rows += _rows(pair, poster.EMBEDDINGS if pair.first.gamma is None else ())
    names = dict.fromkeys(arm.embedding for arm in arms if arm.embedding is not None)
    source = (f"Embeddings are the penultimate features of {', '.join(names)}.",) if names else ()
    notes = (*source, _UNLABELLED, _SIGN)
    return Table("embeddings", "Embeddings over pixels", _COLUMNS, tuple(rows), notes)


def bottleneck_table(arms: Sequence[Arm]) -> Table:
    """Return bottlenecks over no bottlenecks, with the columns of the poster."""
    rows = []
    for pair in bottleneck_pairs(arms):
        rows += _rows(pair, poster.BOTTLENECK if pair.first.gamma is None else ())
    fraction = (
        "The number of a bottleneck is the fraction of channels that remain. The poster does not say which fraction "
        "its numbers are for, so every fraction has the same."
    )
    notes = (fraction, _UNLABELLED, _SIGN)
    return Table("bottleneck", "Bottlenecks over no bottlenecks", _COLUMNS, tuple(rows), notes)


def _rows(pair: Pair, numbers: Sequence[poster.Reported]) -> list[tuple[Cell, ...]]:
    """Return one row per polarity, with the poster's numbers where they exist."""
    arm = pair.first
    rows = []
    for polarity, positive in POLARITIES.items():
        cells: list[Cell] = []
        changes = [pair.change(kind, polarity) for kind in poster.KINDS]
        for kind, change in zip(poster.KINDS, changes, strict=True):
            reported = poster.number(numbers, arm.method, arm.condition.paper, kind)
            judged = None if reported is None else verdict(change, reported.direction)
            cells += [change, reported and reported.percent, judged]
        head = (arm.condition.label, arm.name, gamma_text(arm.gamma), pair.variant, positive)
        pairs = max(len(change.seeds) for change in changes)
        rows.append((*head, *cells, pairs, joined(pair.marks(*changes))))
    return rows
