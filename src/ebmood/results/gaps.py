r"""How far log-densities set images apart from their own low-level content, with and without a bottleneck.

The gap of one model to one content set is :math:`(\bar s_\text{ID} - \bar s_\text{content}) / \sigma_\text{ID}`: the
difference of the mean scores in units of the standard deviation of the ID scores. It is above zero where content
without meaning looks less in-distribution than the images that it was made from. The unit makes models comparable
whose scales are their own.
"""

from collections.abc import Sequence

import numpy as np

from ebmood.results.arms import Arm, seeds_mark
from ebmood.results.comparisons import pair_marks
from ebmood.results.conditions import mark_list
from ebmood.results.findings import Pair, bottleneck_pairs
from ebmood.results.table import DATA, RECIPE, Cell, Column, Estimate, Table, gamma_text, joined
from ebmood.study.records import Record


def gaps(record: Record) -> dict[str, float]:
    """The gap to each low-level content set, from the scores that the record keeps.

    A set without kept scores is left out, and all are where the ID scores are one value or a score is not finite.
    """
    found = {}
    inside = np.array(record.scores.get("id", ()), dtype=float)
    for result in record.results:
        outside = np.array(record.scores.get(result.name, ()), dtype=float)
        if result.kind != "low-level" or not len(inside) or not len(outside):
            continue
        with np.errstate(all="ignore"):
            gap = float((inside.mean() - outside.mean()) / inside.std())
        if np.isfinite(gap):
            found[result.name] = gap
    return found


def mean_gaps(arm: Arm) -> dict[int, float]:
    """The mean gap over all content sets, for each seed that is done and has scores."""
    each = {seed: gaps(record) for seed, record in arm.done.items()}
    return {seed: float(np.mean(list(found.values()))) for seed, found in each.items() if found}


def widening(pair: Pair) -> dict[int, float]:
    """By how much the mean gap of side `a` exceeds that of side `b`, for each seed that both have."""
    ours, theirs = (mean_gaps(arm) if arm else {} for arm in (pair.a, pair.b))
    return {seed: ours[seed] - theirs[seed] for seed in ours if seed in theirs}


def gap_table(arms: Sequence[Arm]) -> Table:
    """The gaps of every method to every content set; below a bottleneck's, by how much it widens them."""
    contents = list(
        dict.fromkeys(name for arm in arms for record in arm.done.values() for name in gaps(record))
    )
    columns = (
        DATA,
        *RECIPE,
        Column("what", "what"),
        *(_number(name.replace("-", "_"), name) for name in contents),
        _number("mean", "mean"),
        Column("seeds", "seeds"),
        Column("marks", "marks"),
    )
    pairs = [pair for pair in bottleneck_pairs(arms) if pair.a and pair.b]
    rows = []
    for arm in arms:
        each = {seed: found for seed, record in arm.done.items() if (found := gaps(record))}
        if each:
            marks = mark_list(arm.marks_on("low-level"), seeds_mark(len(each), len(arm.expected)))
            rows.append(_row(arm, "gap", arm.variant, each, contents, marks))
        for pair in (pair for pair in pairs if pair.a is arm):
            differences = _differences(pair)
            if differences:
                marks = pair_marks(pair.a, pair.b, len(differences), "low-level")
                rows.append(_row(arm, "wider than without", pair.variant, differences, contents, marks))
    notes = (
        "Gap: mean score of ID test images less that of the content set, over the standard deviation of the ID scores "
        "(of up to 500 kept scores a set). Mean over seeds, with the 95 % Student-t interval where there are several.",
        "Wider than without: the gap less that of the same method without a bottleneck, seed by seed.",
    )
    title = "The gap of density between images and their low-level content"
    return Table("gaps", title, columns, tuple(rows), notes)


def _number(key: str, title: str) -> Column:
    return Column(key, title, "estimate", digits=2, signed=True)


def _row(
    arm: Arm,
    what: str,
    variant: str,
    each: dict[int, dict[str, float]],
    contents: Sequence[str],
    marks: Sequence[str],
) -> tuple[Cell, ...]:
    estimates = [
        Estimate.of([found[content] for found in each.values() if content in found]) for content in contents
    ]
    mean = Estimate.of([float(np.mean(list(found.values()))) for found in each.values()])
    head = (arm.condition.label, arm.name, gamma_text(arm.gamma), variant, what)
    return (*head, *estimates, mean, len(each), joined(marks))


def _differences(pair: Pair) -> dict[int, dict[str, float]]:
    assert pair.a
    assert pair.b
    differences = {}
    for seed in widening(pair):
        ours, theirs = gaps(pair.a.done[seed]), gaps(pair.b.done[seed])
        differences[seed] = {name: ours[name] - theirs[name] for name in ours if name in theirs}
    return differences
