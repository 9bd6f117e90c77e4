"""Table: gaps of the log-density between images and their low-level content, with and without a bottleneck."""

from collections.abc import Iterator, Sequence

import numpy as np

from ebmood.results.arms import Arm, seeds_mark
from ebmood.results.comparisons import pair_marks
from ebmood.results.gaps import gap_differences, gaps
from ebmood.results.pairs import Pair, bottleneck_pairs
from ebmood.results.tables.table import DATA, RECIPE, Cell, Column, Estimate, Table
from ebmood.results.text import gamma_text, joined, unique_marks


def gap_table(arms: Sequence[Arm]) -> Table:
    """Return the gaps of every arm to every content set, and the differences that bottlenecks make."""
    contents = list(
        dict.fromkeys(name for arm in arms for record in arm.done.values() for name in gaps(record))
    )
    columns = (
        DATA,
        *RECIPE,
        Column("what", "value"),
        *(_number(name.replace("-", "_"), name) for name in contents),
        _number("mean", "mean"),
        Column("seeds", "seeds"),
        Column("marks", "marks"),
    )
    pairs = [pair for pair in bottleneck_pairs(arms) if pair.a and pair.b]
    rows = [row for arm in arms for row in _rows(arm, [p for p in pairs if p.a is arm], contents)]
    notes = (
        "Gap: mean score of ID test images minus that of the content set, divided by the standard deviation of the ID "
        "scores (of up to 500 recorded scores per set). Mean over seeds, with the 95 % Student-t interval.",
        "Difference: the gap minus that of the same method without a bottleneck, seed by seed.",
    )
    title = "The gap of the log-density between images and their low-level content"
    return Table("gaps", title, columns, tuple(rows), notes)


def _number(key: str, title: str) -> Column:
    return Column(key, title, "estimate", digits=2, signed=True)


def _rows(arm: Arm, pairs: Sequence[Pair], contents: Sequence[str]) -> Iterator[tuple[Cell, ...]]:
    by_seed = {seed: values for seed, record in arm.done.items() if (values := gaps(record))}
    if by_seed:
        marks = unique_marks(arm.marks_on("low-level"), seeds_mark(len(by_seed), len(arm.expected)))
        yield _row(arm, "gap", arm.variant, by_seed, contents, marks)
    for pair in pairs:
        differences = _differences(pair)
        if differences:
            marks = pair_marks(pair.a, pair.b, len(differences), "low-level")
            yield _row(arm, "difference", pair.variant, differences, contents, marks)


def _row(
    arm: Arm,
    value: str,
    variant: str,
    by_seed: dict[int, dict[str, float]],
    contents: Sequence[str],
    marks: Sequence[str],
) -> tuple[Cell, ...]:
    estimates = [
        Estimate.of([values[content] for values in by_seed.values() if content in values])
        for content in contents
    ]
    mean = Estimate.of([float(np.mean(list(values.values()))) for values in by_seed.values()])
    head = (arm.condition.label, arm.name, gamma_text(arm.gamma), variant, value)
    return (*head, *estimates, mean, len(by_seed), joined(marks))


def _differences(pair: Pair) -> dict[int, dict[str, float]]:
    assert pair.a
    assert pair.b
    differences = {}
    for seed in gap_differences(pair):
        a, b = gaps(pair.a.done[seed]), gaps(pair.b.done[seed])
        differences[seed] = {name: a[name] - b[name] for name in a if name in b}
    return differences
