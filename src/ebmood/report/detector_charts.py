"""A detector's figures: score histograms, false alarms, ROC, precision and recall; as SVG in the page's colours."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ebmood.report.page import Chart
from ebmood.report.svg import inline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

# Stand-ins in the drawing, which `inline` replaces by the page's own, light or dark.
INK, MUTED, LINE, BLUE = "#010101", "#020202", "#030303", "#040404"
SETS = ("#050505", "#060606", "#070707", "#080808", "#090909")
COLOURS = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    BLUE: "var(--blue)",
    **dict(zip(SETS, (f"var(--{c})" for c in ("vermilion", "green", "purple", "amber", "sky")), strict=True)),
}
DASHES = ("-", "--", ":", "-.")
BINS = 40

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ebmood",
    "font.size": 10.0,
    "axes.labelsize": 10.0,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
}


def histogram(
    name: str, held_out: Floats, offset: float, inside: Floats | None, outside: Mapping[str, Floats]
) -> Chart:
    """Scores of calibration rows and of test rows, and where the line between them is.

    Args:
        name: of the figure, for ids.
        held_out: `(n,)` calibration scores.
        offset: rows below it are flagged; minus infinity where none are.
        inside: scores of ordinary test rows.
        outside: scores of each other set.
    """
    ordinary = held_out if inside is None else np.concatenate([held_out, inside])
    width = max(float(np.ptp(ordinary)), 1e-9)
    low = float(min([ordinary.min(), *(np.quantile(scores, 0.02) for scores in outside.values())]))
    low = max(low, float(ordinary.min()) - 1.5 * width) - 0.02 * width
    edges = np.linspace(low, float(ordinary.max()) + 0.02 * width, BINS + 1)
    with _drawing(name) as (axes, save):
        axes.stairs(
            _shares(held_out, edges), edges, fill=True, color=BLUE, alpha=0.35, label="calibration rows"
        )
        if inside is not None:
            axes.stairs(_shares(inside, edges), edges, color=BLUE, linewidth=1.6, label="ordinary test rows")
        for (label, scores), colour, dash in _styled(outside):
            axes.stairs(
                _shares(scores, edges), edges, color=colour, linestyle=dash, linewidth=1.6, label=label
            )
        if np.isfinite(offset):
            axes.axvline(offset, color=INK, linewidth=1.2, linestyle="--", label="threshold")
        axes.set_xlabel("score (higher is more ordinary)")
        axes.set_ylabel("share of rows")
        _legend(axes)
        label = f"Histogram of scores: {', '.join(['calibration rows', *outside])}"
        svg = save(label)
    beyond = [
        f"{np.mean(scores < low):.0%} of {label}" for label, scores in outside.items() if (scores < low).any()
    ]
    caption = "How the scores are spread."
    if np.isfinite(offset):
        caption += " Rows to the left of the dashed line are flagged."
    if beyond:
        caption += f" Scores still further to the left stand in the first bar: {', '.join(beyond)}."
    return Chart(svg, caption)


def false_alarms(name: str, p: Floats, levels: Floats, low: Floats, high: Floats) -> Chart:
    """Which share of ordinary test rows is flagged at each level, beside what is promised.

    Args:
        name: of the figure, for ids.
        p: `(N,)` p-values of ordinary test rows.
        levels: `(L,)` of alpha.
        low: `(L,)`, with `high` where chance keeps 19 of 20 detectors that keep their promise.
        high: `(L,)`.
    """
    actual = (p[:, None] <= levels).mean(axis=0)
    with _drawing(name) as (axes, save):
        axes.fill_between(levels, low, high, color=MUTED, alpha=0.25, linewidth=0, label="what chance allows")
        axes.plot(levels, levels, color=MUTED, linestyle="--", linewidth=1.2, label="as promised")
        axes.plot(levels, actual, color=BLUE, linewidth=1.8, label="on the test rows")
        axes.set_xlabel("nominal false-alarm rate (alpha)")
        axes.set_ylabel("actual false-alarm rate")
        axes.set_xlim(0, levels[-1])
        axes.set_ylim(0, None)
        axes.legend(loc="upper left")
        svg = save("False alarms: nominal against actual rate on the ordinary test rows")
    return Chart(
        svg,
        "Of ordinary test rows, how many are flagged at each level. Inside the band, 95 % wide, the line differs from "
        "the promise by no more than chance explains: calibration and test rows are few.",
    )


def roc(name: str, inside: Floats, outside: Mapping[str, Floats], aurocs: Mapping[str, float]) -> Chart:
    """Detected against flagged ordinary rows, over all thresholds."""
    from sklearn.metrics import roc_curve

    with _drawing(name) as (axes, save):
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle="--", linewidth=1)
        for (label, scores), colour, dash in _styled(outside):
            x, y, _ = roc_curve(*_sides(inside, scores))
            axes.plot(
                x, y, color=colour, linestyle=dash, linewidth=1.8, label=f"{label}: AUROC {aurocs[label]:.3f}"
            )
        _square(axes, "false alarms (ordinary rows flagged)", "detected (other rows flagged)")
        axes.legend(loc="lower right")
        svg = save("ROC curves. " + "; ".join(f"{label}: AUROC {aurocs[label]:.3f}" for label in outside))
    return Chart(
        svg, "ROC: what is detected at the price of how many false alarms. The dashed line is guessing."
    )


def precision_recall(
    name: str, inside: Floats, outside: Mapping[str, Floats], areas: Mapping[str, float]
) -> Chart:
    """Precision against recall with the other rows as the class sought."""
    from sklearn.metrics import precision_recall_curve

    with _drawing(name) as (axes, save):
        for (label, scores), colour, dash in _styled(outside):
            precision, recall, _ = precision_recall_curve(*_sides(inside, scores))
            share = len(scores) / (len(scores) + len(inside))
            axes.axhline(share, color=colour, linewidth=0.7, alpha=0.7)
            axes.plot(
                recall,
                precision,
                color=colour,
                linestyle=dash,
                linewidth=1.8,
                label=f"{label}: AUC-PR {areas[label]:.3f}",
            )
        _square(axes, "recall (other rows flagged)", "precision (of those flagged)")
        axes.legend(loc="lower left")
        svg = save(
            "Precision-recall curves. "
            + "; ".join(f"{label}: AUC-PR {areas[label]:.3f}" for label in outside)
        )
    return Chart(
        svg,
        "Precision and recall with the other rows as the class sought. Thin lines are guessing; they are as high as "
        "the share of other rows in the test.",
    )


def _sides(inside: Floats, outside: Floats) -> tuple[Floats, Floats]:
    return (
        np.concatenate([np.zeros(len(inside)), np.ones(len(outside))]),
        -np.concatenate([inside, outside]),
    )


def _square(axes: "Axes", x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.02)


def _shares(scores: Floats, edges: Floats) -> Floats:
    counts, _ = np.histogram(np.clip(scores, edges[0], edges[-1]), edges)
    return counts / len(scores)


def _styled(outside: Mapping[str, Floats]) -> Iterator[tuple[tuple[str, Floats], str, str]]:
    for i, item in enumerate(outside.items()):
        yield item, SETS[i % len(SETS)], DASHES[i % len(DASHES)]


def _legend(axes: "Axes") -> None:
    axes.margins(x=0)
    entries = len(axes.get_legend_handles_labels()[0])
    axes.set_ylim(0, axes.get_ylim()[1] * (1 + 0.09 * ((entries + 1) // 2)))
    axes.legend(loc="upper left", ncols=2, columnspacing=1.2, handlelength=1.4)


@contextmanager
def _drawing(name: str) -> Iterator[tuple["Axes", Any]]:
    """Axes of one small figure, and what turns it into SVG, given a label."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(4.2, 3.0), layout="constrained")
        FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        axes = figure.add_subplot()
        axes.patch.set_visible(False)

        def save(label: str) -> str:
            file = io.StringIO()
            figure.savefig(file, format="svg", metadata={"Date": None})
            return inline(file.getvalue(), name, label, COLOURS)

        yield axes, save
