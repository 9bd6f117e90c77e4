"""Figure: histograms of log p, images and their low-level content, with and without a bottleneck."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ebmood.results.arms import Arm
from ebmood.results.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    PURPLE,
    VERMILION,
    Drawing,
    add_legend,
    new_figure,
    record_with,
    save,
)
from ebmood.results.figures.ticks import set_round_ticks
from ebmood.results.gaps import gaps
from ebmood.study.records import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 40
LINES = ((VERMILION, "-"), (GREEN, "--"), (PURPLE, "-."), (INK, ":"))
TICKS = (0.05, 0.23, 0.41, 0.59, 0.77, 0.95)
"""Approximate positions of ticks on an asinh axis, as fractions of the axis."""

LINEAR_LIMIT = 12.0
"""If scores are further from the ID mean than this number of ID standard deviations, the axis is asinh."""

Row = dict[float | None, Arm]
"""The arms of one method, variant and weight by bottleneck."""


def content_histograms(arms: Sequence[Arm], stem: str, folder: Path) -> Iterator[Drawing]:
    """Draw a row per energy-based method and variant, and a column per bottleneck."""
    rows = _rows(arms)
    records = {id(arm): _record(arm) for row in rows.values() for arm in row.values()}
    contents = list(dict.fromkeys(name for record in records.values() if record for name in gaps(record)))
    if not contents:
        return
    fractions = sorted({fraction for row in rows.values() for fraction in row if fraction is not None})
    columns = [None, *fractions]
    name = f"content-{stem}"
    with new_figure(len(rows), len(columns), 3.3, 1.5) as (figure, panels):
        for line, (label, row) in zip(panels, rows.items(), strict=True):
            of_row = [records[id(row[fraction])] if fraction in row else None for fraction in columns]
            _draw_row(line, of_row, contents)
            for axes, fraction, record in zip(line, columns, of_row, strict=True):
                if record is None:
                    _draw_empty(axes, "failed" if fraction in row and not row[fraction].done else "not run")
            line[0].set_ylabel(label, fontsize=8)
        for axes, fraction in zip(panels[0], columns, strict=True):
            axes.set_title("no bottleneck" if fraction is None else f"bottleneck {fraction:g}")
        figure.supxlabel("(log p - mean over ID test images) / standard deviation over them", fontsize=8)
        add_legend(figure, *(axes for line in panels for axes in line))
        save(figure, folder / name)
    yield Drawing(
        name,
        f"Images of {arms[0].condition.label} and their low-level content: fraction of test rows by log p (first seed "
        "that is done). Higher is more in-distribution. The gap beside each panel is the mean of the images minus the "
        "mean of the content, in standard deviations of the images. The panels of a row share an axis; where it is "
        "long, it is asinh. Values beyond its ends are in the outermost bins.",
    )


def _rows(arms: Sequence[Arm]) -> dict[str, Row]:
    """Return the rows by label; those with labels only if they have a bottleneck, as in the paper."""
    rows: dict[str, Row] = {}
    for arm in arms:
        if arm.family != "energy" or arm.embedding is not None:
            continue
        parts = [arm.method_title, *([] if arm.variant == "both" else [arm.variant])]
        parts += [] if arm.gamma is None else [f"γ = {arm.gamma:g}"]
        parts += ["shortened"] if arm.shortened else []
        row = rows.setdefault("\n".join(parts), {})
        if arm.bottleneck not in row or len(arm.done) > len(row[arm.bottleneck].done):
            row[arm.bottleneck] = arm
    return {
        label: row
        for label, row in rows.items()
        if set(row) - {None} or all(arm.gamma is None for arm in row.values())
    }


def _record(arm: Arm) -> Record | None:
    record = record_with(arm, "scores")
    return record if record and gaps(record) else None


def _draw_row(line: Sequence["Axes"], records: Sequence[Record | None], contents: Sequence[str]) -> None:
    """Draw the panels of one method on a common axis."""
    panels = [{} if record is None else standardized_scores(record, contents) for record in records]
    values = np.concatenate([scores for panel in panels for scores in panel.values()] or [np.zeros(1)])
    low, high = np.quantile(values, [0.003, 0.997])
    scale: Callable = np.asarray if max(-low, high) < LINEAR_LIMIT else np.arcsinh
    margin = 0.03 * (scale(high) - scale(low)) or 0.1
    edges = np.linspace(scale(low) - margin, scale(high) + margin, BINS + 1)
    for axes, record, panel in zip(line, records, panels, strict=True):
        if record is not None:
            _draw_panel(axes, {name: scale(scores) for name, scores in panel.items()}, edges)
            _draw_gaps(axes, gaps(record), contents)
            axes.set_xlim(edges[0], edges[-1])
            if scale is np.arcsinh:
                set_round_ticks(axes, math.sinh, math.asinh, TICKS)


def standardized_scores(record: Record, contents: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the scores of ID images and of each content set, minus the ID mean, in ID standard deviations."""
    id_scores = np.array(record.scores["id"])
    present = gaps(record)
    names = ["id", *(name for name in contents if name in present)]
    return {name: (np.array(record.scores[name]) - id_scores.mean()) / id_scores.std() for name in names}


def _draw_panel(axes: "Axes", scores: dict[str, np.ndarray], edges: np.ndarray) -> None:
    lines = iter(LINES * len(scores))
    for name, values in scores.items():
        fractions = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / len(values)
        if name == "id":
            axes.stairs(fractions, edges, fill=True, color=BLUE, alpha=0.55, label="ID test images")
        else:
            colour, style = next(lines)
            axes.stairs(fractions, edges, color=colour, linestyle=style, linewidth=1.1, label=name)
    axes.set_yticks([])
    axes.set_ylim(bottom=0)


def _draw_gaps(axes: "Axes", values: dict[str, float], contents: Sequence[str]) -> None:
    style = {"transform": axes.transAxes, "fontsize": 6.5, "va": "top"}
    axes.text(1.03, 0.98, "gap", color=INK, **style)
    for number, name in enumerate(contents, start=1):
        if name in values:
            colour, _ = LINES[(number - 1) % len(LINES)]
            digits = 2 if abs(values[name]) < 100 else 0
            text = f"{values[name]:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
            axes.text(1.03, 0.98 - 0.16 * number, text, color=colour, **style)


def _draw_empty(axes: "Axes", reason: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, reason, transform=axes.transAxes, ha="center", va="center", color=GREY)
