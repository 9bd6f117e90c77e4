"""Forest plots: one figure per question of the paper, with the answer of the records and of the poster."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from ebmood.results import poster
from ebmood.results.arms import Arm
from ebmood.results.comparisons import Change
from ebmood.results.conditions import Sets
from ebmood.results.figures.style import (
    BLUE,
    GREY,
    INK,
    VERMILION,
    Drawing,
    add_legend,
    new_figure,
    panel_width,
    save,
)
from ebmood.results.figures.ticks import percent_ticks
from ebmood.results.pairs import (
    Pair,
    bottleneck_pairs,
    correction_pairs,
    embedding_pairs,
    flow_pairs,
    supervision_pairs,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 36
"""Rows per figure; a question with more rows has several figures."""

ROW_HEIGHT = 0.2
"""Inches per row."""

CUT = 1.6
"""Intervals are cut at this multiple of the most distant point. Intervals over two seeds can be very long."""

SMALLEST = 0.01
"""Distance of the limits of an axis from zero, at least, in log ratios."""

_KINDS: tuple[Sets, ...] = poster.KINDS
_TITLES = {"natural": "natural OOD sets", "non-natural": "non-natural OOD sets", "all": "all OOD sets"}
_CAPTION = (
    "Relative change of AUC-PR (ID positive): mean over paired seeds with its 95 % interval, and each seed as a grey "
    "dot. Arrows: the interval or a dot is cut. Open circles: unstable arms, whose seeds differ by more than 0.2 in "
    "AUROC. Diamonds: the number of the poster."
)


_LEGEND = ("this study", "unstable", "one seed", "poster")


@dataclass(frozen=True)
class Row:
    """One row of a forest plot.

    Attributes:
        group: heading above the row.
        label: the method.
        marks: marks of the pair that a reader must see here.
        changes: the change of each panel.
        reported: the poster's number in per cent for each panel, or None.
    """

    group: str
    label: str
    marks: tuple[str, ...]
    changes: tuple[Change, ...]
    reported: tuple[float | None, ...]


@dataclass(frozen=True)
class Question:
    """A question that a forest plot answers.

    Attributes:
        name: part of the file name.
        title: the question.
        panels: kinds of OOD sets.
        rows: function from arms to rows.
    """

    name: str
    title: str
    panels: tuple[Sets, ...]
    rows: Callable[[Sequence[Arm]], list[Row]]


def forest_plots(arms: Sequence[Arm], folder: Path) -> Iterator[Drawing]:
    """Draw the forest plots of all questions that the records address."""
    for question in QUESTIONS:
        rows = [row for row in question.rows(arms) if any(c.percent is not None for c in row.changes)]
        for start in range(0, len(rows), MOST_ROWS):
            part = f"-{start // MOST_ROWS + 1}" if start else ""
            name = f"forest-{question.name}{part}"
            _draw(rows[start : start + MOST_ROWS], question.panels, folder / name)
            yield Drawing(name, _CAPTION, title="" if start else question.title)


def _flow_rows(arms: Sequence[Arm]) -> list[Row]:
    """Return the rows for models without labels, over the flows of the paper if they were run."""
    flows = {arm.method for arm in arms if arm.family == "flow"}
    papers = flows & {*poster.TABLE_FLOWS, *poster.IMAGE_FLOWS}
    rows = []
    for flow in dict.fromkeys(arm.method for arm in arms if arm.method in (papers or flows)):
        for pair in flow_pairs(arms, flow):
            assert pair.b is not None
            if pair.first.gamma is None:
                number = poster.FLOW.get(pair.first.method) if _has_numbers(pair.first) else None
                row = _row(pair, ("natural", "non-natural", "all"), (None, None, number))
                rows.append(replace(row, group=f"{row.group}, over {pair.b.title}"))
    return sorted(rows, key=lambda row: row.group)


def _supervision_rows(arms: Sequence[Arm]) -> list[Row]:
    rows = []
    for pair in supervision_pairs(arms):
        arm = pair.first
        usual = pair.a is not None and pair.a.gamma == poster.supervision_gamma(
            arm.method, arm.condition.paper
        )
        rows.append(_row(pair, _KINDS, _reported(pair, poster.SUPERVISION if usual else ())))
    return sorted(rows, key=lambda row: row.group)


def _embedding_rows(arms: Sequence[Arm]) -> list[Row]:
    return [
        _row(pair, _KINDS, _reported(pair, _unlabelled(pair, poster.EMBEDDINGS)))
        for pair in embedding_pairs(arms)
    ]


def _bottleneck_rows(arms: Sequence[Arm]) -> list[Row]:
    return [
        _row(pair, _KINDS, _reported(pair, _unlabelled(pair, poster.BOTTLENECK)))
        for pair in bottleneck_pairs(arms)
    ]


def _correction_rows(arms: Sequence[Arm]) -> list[Row]:
    rows = []
    for pair in correction_pairs(arms):
        row = _row(pair, _KINDS, (None, None))
        rows.append(replace(row, label=row.label.replace(", corrected", "")))
    return rows


QUESTIONS = (
    Question(
        "flow",
        "Are energy-based models better than normalizing flows?",
        ("natural", "non-natural", "all"),
        _flow_rows,
    ),
    Question("supervision", "Does supervision help?", _KINDS, _supervision_rows),
    Question("embeddings", "Do embeddings of a classifier help?", _KINDS, _embedding_rows),
    Question("bottleneck", "Do bottlenecks help?", _KINDS, _bottleneck_rows),
    Question(
        "corrections", "What do the corrections of the paper's recipes change?", _KINDS, _correction_rows
    ),
)
"""The questions of the paper, in the order of the report."""


def _row(pair: Pair, panels: Sequence[Sets], reported: Sequence[float | None]) -> Row:
    arm = pair.first
    group = arm.condition.label + (" (leak)" if arm.selection == "paper" else "")
    sides = [side for side in (pair.a, pair.b) if side is not None]
    changes = tuple(pair.change(sets, "aupr_id") for sets in panels)
    flags = {flag for side in sides for flag in side.flags}
    marks = tuple(mark for mark in ("degenerate", "unstable") if mark in flags)
    return Row(group, arm.label, marks, changes, tuple(reported))


def _has_numbers(arm: Arm) -> bool:
    """Return whether the poster's tables have numbers for models like this one."""
    return arm.condition.paper is not None and not arm.form


def _unlabelled(pair: Pair, table: Sequence[poster.Reported]) -> Sequence[poster.Reported]:
    """Return a table of the poster for models without labels; empty for others."""
    return table if pair.first.gamma is None else ()


def _reported(pair: Pair, table: Sequence[poster.Reported]) -> tuple[float | None, ...]:
    arm = pair.first
    numbers = [poster.number(table, arm.method, arm.condition.paper, kind) for kind in poster.KINDS]
    return tuple(number and number.percent for number in numbers)


def _draw(rows: Sequence[Row], panels: Sequence[Sets], stem: Path) -> None:
    labels, lines = _layout(rows)
    limits = _limits(rows)
    width, height = panel_width(labels, len(panels)), ROW_HEIGHT * len(labels) + 0.25
    with new_figure(1, len(panels), width, height, sharex=True, sharey=True) as (figure, grid):
        for panel, (axes, sets) in enumerate(zip(grid[0], panels, strict=True)):
            for row, line in zip(rows, lines, strict=True):
                _draw_change(axes, line, row, panel, limits)
            axes.set_title(_TITLES[sets])
            axes.axvline(0, color=INK, linewidth=0.6, zorder=0)
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
        first = grid[0][0]
        first.set_ylim(len(labels) - 0.4, -0.6)
        first.set_yticks(range(len(labels)), labels)
        for line, text in enumerate(first.get_yticklabels()):
            text.set_fontweight("normal" if line in lines else "bold")
        first.set_xlim(*limits)
        percents = percent_ticks(*(100 * math.expm1(limit) for limit in limits))
        first.set_xticks([_position(percent) for percent in percents], list(map(_percent_text, percents)))
        figure.supxlabel("relative change of AUC-PR (ID positive), %", fontsize=8)
        add_legend(figure, *grid[0], order=_LEGEND)
        save(figure, stem)


def _layout(rows: Sequence[Row]) -> tuple[list[str], list[int]]:
    """Return the labels of all lines, with a heading above each group, and the line of each row."""
    labels: list[str] = []
    lines = []
    for group, members in groupby(rows, key=lambda row: row.group):
        labels.append(group)
        for row in members:
            lines.append(len(labels))
            labels.append(row.label + (f" ({', '.join(row.marks)})" if row.marks else ""))
    return labels, lines


def _limits(rows: Sequence[Row]) -> tuple[float, float]:
    """Return the limits of the axis in log ratios: all points, and intervals up to `CUT` times the farthest one."""
    changes = [change for row in rows for change in row.changes if change.percent is not None]
    numbers = [number for row in rows for number in row.reported if number is not None]
    points = [_position(p) for c in changes for p in (c.percent, *c.percents) if p is not None]
    points += map(_position, numbers)
    ends = [_position(end) for c in changes for end in (c.low, c.high) if end is not None]
    reach = CUT * max(map(abs, points))
    low = min(max(min([*points, *ends]), -reach), -SMALLEST)
    high = max(min(max([*points, *ends]), reach), SMALLEST)
    margin = 0.06 * (high - low)
    return low - margin, high + margin


def _position(percent: float) -> float:
    return math.log1p(max(percent, -99.9) / 100)


def _draw_change(axes: "Axes", line: int, row: Row, panel: int, limits: tuple[float, float]) -> None:
    change, number, unstable = row.changes[panel], row.reported[panel], "unstable" in row.marks
    if change.percent is None:
        axes.text(0, line, change.reason.split(":")[0], color=GREY, va="center", ha="center", fontsize=6.5)
    else:
        seeds = [_position(percent) for percent in change.percents]
        axes.plot(seeds, [line + 0.3] * len(seeds), ".", color=GREY, markersize=2.5, label="one seed")
        if change.low is not None and change.high is not None:
            _draw_interval(axes, line, _position(change.low), _position(change.high), limits)
        label, fill = ("unstable", "white") if unstable else ("this study", BLUE)
        style = {"color": BLUE, "markersize": 4, "markerfacecolor": fill}
        axes.plot([_position(change.percent)], [line], "o", label=label, **style)
    if number is not None:
        style = {"color": VERMILION, "markersize": 4, "markerfacecolor": "none"}
        axes.plot([_position(number)], [line], "D", label="poster", **style)


def _draw_interval(axes: "Axes", line: int, low: float, high: float, limits: tuple[float, float]) -> None:
    inset = 0.02 * (limits[1] - limits[0])
    limits = limits[0] + inset, limits[1] - inset
    ends = max(low, limits[0]), min(high, limits[1])
    axes.plot(ends, [line, line], "-", color=BLUE, linewidth=1.1, solid_capstyle="butt")
    for end, marker, is_cut in ((ends[0], "<", low < limits[0]), (ends[1], ">", high > limits[1])):
        if is_cut:
            axes.plot([end], [line], marker, color=BLUE, markersize=3.5)


def _percent_text(percent: float) -> str:
    return f"{percent:+.3g}".replace("-", "\N{MINUS SIGN}") if percent else "0"
