"""Figures of a watched feed as SVG: the course of the evidence, flagged rows, and the p-values of features."""

import math
from collections.abc import Sequence

import numpy as np

from ebmood.detector.raw.items import Items
from ebmood.monitoring import Alarm, Batch
from ebmood.report.detector_charts import BLUE, INK, MUTED, SETS, svg_figure
from ebmood.report.page import Chart

WIDE = (8.8, 3.0)

SMALLEST_P = 1e-20
"""Smaller p-values have the same colour."""

SHOWN_FEATURES = 30
"""Features in the figure of p-values: those that differ in most batches."""

TEN = math.log(10)


def course(batches: Sequence[Batch], log_threshold: float, alarm: Alarm | None, items: Items) -> Chart:
    """Draw the evidence after every batch and its largest value within the batch.

    Args:
        batches: consecutive batches, at least one.
        log_threshold: natural logarithm of the evidence that gives an alarm.
        alarm: the first alarm.
        items: what the feed has.
    """
    ends = [batch.first_row + batch.rows for batch in batches]
    with svg_figure("course", WIDE) as (axes, save):
        axes.plot(
            ends,
            [batch.peak / TEN for batch in batches],
            color=MUTED,
            linewidth=1,
            label="largest in the batch",
        )
        axes.plot(
            ends,
            [batch.log_evidence / TEN for batch in batches],
            color=BLUE,
            linewidth=1.8,
            marker=".",
            label="evidence",
        )
        axes.axhline(log_threshold / TEN, color=SETS[0], linestyle="--", linewidth=1.2, label="alarm")
        if alarm is not None:
            axes.axvline(alarm.row + 1, color=SETS[0], linewidth=1.2)
            axes.axvline(
                alarm.change + 1, color=INK, linestyle=":", linewidth=1.2, label="most likely change"
            )
        axes.set_xlabel(f"{items.many} of the feed")
        axes.set_ylabel("evidence (log10)")
        axes.legend(loc="upper left")
        svg = save("The evidence of a change after every batch of the feed")
    text = "The wealth of bets against the p-values, as a logarithm to base 10."
    if alarm is not None:
        text += " The vertical lines are the alarm and, dotted, where the change most likely began."
    return Chart(svg, text)


def flagged(batches: Sequence[Batch], expected: float, items: Items) -> Chart:
    """Draw the fraction of flagged rows of every batch, and the fraction that is expected of normal rows."""
    with svg_figure("flagged", WIDE) as (axes, save):
        edges = [batches[0].first_row, *(batch.first_row + batch.rows for batch in batches)]
        axes.stairs(
            [batch.flagged / batch.rows for batch in batches], edges, fill=True, color=BLUE, alpha=0.5
        )
        axes.axhline(
            expected, color=INK, linestyle="--", linewidth=1.2, label=f"expected of normal {items.many}"
        )
        axes.set_xlabel(f"{items.many} of the feed")
        axes.set_ylabel(f"flagged {items.many}")
        axes.set_ylim(0, None)
        axes.legend(loc="upper left")
        svg = save(f"The fraction of flagged {items.many} in every batch")
    return Chart(
        svg, f"The fraction of {items.many} in each batch that the detector flags at its level alpha."
    )


def features(batches: Sequence[Batch], names: Sequence[str]) -> Chart | None:
    """Draw the p-value of every feature in every batch as a grid of colours; None if no batch has p-values."""
    tested = [batch for batch in batches if batch.p_values]
    if not tested:
        return None
    p = np.array([batch.p_values for batch in tested]).T
    counts = [sum(name in batch.drifted for batch in tested) for name in names]
    order: list[int] = np.lexsort((p.min(axis=1), -np.array(counts)))[:SHOWN_FEATURES].tolist()
    height = 1.2 + 0.22 * len(order)
    edges = [tested[0].first_row, *(batch.first_row + batch.rows for batch in tested)]
    with svg_figure("features", (WIDE[0], height)) as (axes, save):
        shades = np.log10(np.maximum(p[order], SMALLEST_P)) / math.log10(SMALLEST_P)
        for line, values in enumerate(shades):
            for left, right, shade in zip(edges[:-1], edges[1:], values, strict=True):
                axes.barh(
                    line, right - left, left=left, height=0.9, color=BLUE, alpha=max(0.02, float(shade))
                )
        axes.set_yticks(range(len(order)), [_short(names[feature]) for feature in order])
        axes.set_ylim(len(order) - 0.5, -0.5)
        axes.set_xlim(edges[0], edges[-1])
        axes.grid(visible=False)
        axes.set_xlabel("rows of the feed")
        svg = save("The p-value of every feature in every batch; darker is smaller")
    text = f"The p-value of each feature in each batch. Darker is smaller; the darkest is {SMALLEST_P:g} or less."
    if len(names) > len(order):
        text += f" The {len(order)} features that differ most often are shown, of {len(names)}."
    return Chart(svg, text)


def _short(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"
