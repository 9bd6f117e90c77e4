"""Figure: histograms of log p, images against their own low-level content, with and without a bottleneck."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ebmood.results.arms import Arm, method_name
from ebmood.results.drawing import (
    BLUE,
    GREEN,
    GREY,
    INK,
    PURPLE,
    VERMILION,
    Picture,
    legend,
    new_figure,
    round_ticks,
    save,
    shown,
)
from ebmood.results.gaps import gaps
from ebmood.study.records import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 40
LINES = ((VERMILION, "-"), (GREEN, "--"), (PURPLE, "-."), (INK, ":"))
TICKS = (0.05, 0.23, 0.41, 0.59, 0.77, 0.95)
"""Where ticks stand about, in shares of an axis that is not even."""

FAR = 12.0
"""From so many ID standard deviations on, steps of the axis grow."""

_Row = dict[float | None, Arm]
"""The arms of one method, variant and weight by bottleneck."""


def content_histograms(arms: Sequence[Arm], stem: str, folder: Path) -> Iterator[Picture]:
    """A row for each energy-based method and variant, a column without a bottleneck and one for each factor."""
    rows = _rows(arms)
    records = {id(arm): _record(arm) for row in rows.values() for arm in row.values()}
    contents = list(dict.fromkeys(name for record in records.values() if record for name in gaps(record)))
    if not contents:
        return
    factors = sorted({factor for row in rows.values() for factor in row if factor is not None})
    columns = [None, *(factors or [])]
    with new_figure(len(rows), len(columns), 3.3, 1.5) as (figure, panels):
        for line, (label, row) in zip(panels, rows.items(), strict=True):
            of_row = {factor: records[id(arm)] for factor, arm in row.items()}
            _row(line, [of_row.get(factor) for factor in columns], contents)
            for axes, factor in zip(line, columns, strict=True):
                if of_row.get(factor) is None:
                    _empty(axes, "failed" if factor in row and not row[factor].done else "not run")
            line[0].set_ylabel(label, fontsize=8)
        for axes, factor in zip(panels[0], columns, strict=True):
            axes.set_title("no bottleneck" if factor is None else f"bottleneck {factor:g}")
        figure.supxlabel(
            "log p less its mean over ID test images, in units of its spread over them", fontsize=8
        )
        legend(figure, *(axes for line in panels for axes in line))
        name = f"content-{stem}"
        save(figure, folder / name)
    yield Picture(
        name,
        f"Images of {arms[0].condition.label} and what is left of them without their meaning: share of test rows by "
        "log p (first seed done); right is more in-distribution. Beside each panel the gap: mean of the images less "
        "mean of the content, in standard deviations of the images. The panels of a row share an axis, whose "
        "steps grow where it goes far (asinh); what lies beyond its ends counts in the outermost bins.",
    )


def _rows(arms: Sequence[Arm]) -> dict[str, _Row]:
    """By label; with labels only where there is a bottleneck, since the paper shows it without."""
    rows: dict[str, _Row] = {}
    for arm in arms:
        if arm.family != "energy" or arm.embedding is not None:
            continue
        parts = [method_name(arm.method), *([] if arm.variant == "both" else [arm.variant])]
        parts += [] if arm.gamma is None else [f"γ = {arm.gamma:g}"]
        parts += ["shortened"] if arm.shortened else []
        row = rows.setdefault("\n".join(parts), {})
        if arm.bottleneck not in row or len(arm.done) > len(row[arm.bottleneck].done):
            row[arm.bottleneck] = arm
    narrowed = {label: row for label, row in rows.items() if set(row) - {None}}
    plain = {label: row for label, row in rows.items() if all(arm.gamma is None for arm in row.values())}
    return {label: row for label, row in rows.items() if label in narrowed or label in plain}


def _record(arm: Arm) -> Record | None:
    record = shown(arm, "scores")
    return record if record and gaps(record) else None


def _row(line: Sequence["Axes"], records: Sequence[Record | None], contents: Sequence[str]) -> None:
    """One method's panels, on one axis."""
    scores = [_standardised(record, contents) for record in records]
    values = np.concatenate([each for panel in scores for each in panel.values()] or [np.zeros(1)])
    low, high = np.quantile(values, [0.003, 0.997])
    bend: Callable = np.asarray if max(-low, high) < FAR else np.arcsinh
    margin = 0.03 * (bend(high) - bend(low)) or 0.1
    edges = np.linspace(bend(low) - margin, bend(high) + margin, BINS + 1)
    for axes, record, panel in zip(line, records, scores, strict=True):
        if record is not None:
            _panel(axes, {name: bend(each) for name, each in panel.items()}, edges)
            _gap_list(axes, gaps(record), contents)
            axes.set_xlim(edges[0], edges[-1])
            if bend is np.arcsinh:
                round_ticks(axes, math.sinh, math.asinh, TICKS)


def _standardised(record: Record | None, contents: Sequence[str]) -> dict[str, np.ndarray]:
    if record is None:
        return {}
    inside = np.array(record.scores["id"])
    there = gaps(record)
    names = ["id", *(name for name in contents if name in there)]
    return {name: (np.array(record.scores[name]) - inside.mean()) / inside.std() for name in names}


def _panel(axes: "Axes", scores: dict[str, np.ndarray], edges: np.ndarray) -> None:
    lines = iter(LINES * len(scores))
    for name, values in scores.items():
        shares = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / len(values)
        if name == "id":
            axes.stairs(shares, edges, fill=True, color=BLUE, alpha=0.55, label="ID test images")
        else:
            colour, style = next(lines)
            axes.stairs(shares, edges, color=colour, linestyle=style, linewidth=1.1, label=name)
    axes.set_yticks([])
    axes.set_ylim(bottom=0)


def _gap_list(axes: "Axes", found: dict[str, float], contents: Sequence[str]) -> None:
    place = {"transform": axes.transAxes, "fontsize": 6.5, "va": "top"}
    axes.text(1.03, 0.98, "gap", color=INK, **place)
    for number, name in enumerate(contents, start=1):
        if name in found:
            colour, _ = LINES[(number - 1) % len(LINES)]
            told = f"{found[name]:+.{2 if abs(found[name]) < 100 else 0}f}".replace("-", "\N{MINUS SIGN}")
            axes.text(1.03, 0.98 - 0.16 * number, told, color=colour, **place)


def _empty(axes: "Axes", why: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=GREY)
