"""Figures of a detector as SVG: histogram of scores, false alarms, ROC curves, precision-recall curves."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ebmood.detector.raw.items import ROWS, Items
from ebmood.report.page import Chart
from ebmood.report.svg import inline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

# Placeholders in the drawing. `inline` replaces them by colours of the page, which differ in light and dark mode.
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
    name: str,
    calibration: Floats,
    offset: float,
    inside: Floats | None,
    outside: Mapping[str, Floats],
    items: Items = ROWS,
) -> Chart:
    """Draw the scores of calibration rows and test rows, and the threshold.

    Args:
        name: prefix of ids.
        calibration: `(n,)` calibration scores.
        offset: rows with a lower score are flagged; minus infinity if none are.
        inside: scores of normal test rows.
        outside: scores of out-of-distribution sets by name.
        items: what is scored, in words.
    """
    edges = _bin_edges(calibration if inside is None else np.concatenate([calibration, inside]), outside)
    with svg_figure(name) as (axes, save):
        heights = _fractions(calibration, edges)
        axes.stairs(heights, edges, fill=True, color=BLUE, alpha=0.35, label=f"calibration {items.many}")
        if inside is not None:
            heights = _fractions(inside, edges)
            axes.stairs(heights, edges, color=BLUE, linewidth=1.6, label=f"normal test {items.many}")
        for (label, scores), colour, dash in _with_styles(outside):
            heights = _fractions(scores, edges)
            axes.stairs(heights, edges, color=colour, linestyle=dash, linewidth=1.6, label=label)
        if np.isfinite(offset):
            axes.axvline(offset, color=INK, linewidth=1.2, linestyle="--", label="threshold")
        axes.set_xlabel("score (higher is more normal)")
        axes.set_ylabel(f"fraction of {items.many}")
        _add_legend(axes)
        svg = save(f"Histogram of scores: {', '.join([f'calibration {items.many}', *outside])}")
    caption = "The distribution of the scores."
    if np.isfinite(offset):
        caption += f" {items.many.capitalize()} to the left of the dashed line are flagged."
    low = edges[0]
    lower = [f"{np.mean(s < low):.0%} of {label}" for label, s in outside.items() if (s < low).any()]
    if lower:
        caption += f" The first bar includes all lower scores: {', '.join(lower)}."
    return Chart(svg, caption)


def false_alarms(
    name: str, p: Floats, levels: Floats, low: Floats, high: Floats, items: Items = ROWS
) -> Chart:
    """Draw the fraction of normal test rows that is flagged at each level, with the expected fraction.

    Args:
        name: prefix of ids.
        p: `(N,)` p-values of normal test rows.
        levels: `(L,)` values of alpha.
        low: `(L,)` lower end of the 95 % band for a valid detector.
        high: `(L,)` upper end of the band.
        items: what is scored, in words.
    """
    actual = (p[:, None] <= levels).mean(axis=0)
    with svg_figure(name) as (axes, save):
        axes.fill_between(levels, low, high, color=MUTED, alpha=0.25, linewidth=0, label="95 % by chance")
        axes.plot(levels, levels, color=MUTED, linestyle="--", linewidth=1.2, label="expected")
        axes.plot(levels, actual, color=BLUE, linewidth=1.8, label=f"on the test {items.many}")
        axes.set_xlabel("nominal false-alarm rate (alpha)")
        axes.set_ylabel("actual false-alarm rate")
        axes.set_xlim(0, levels[-1])
        axes.set_ylim(0, None)
        axes.legend(loc="upper left")
        svg = save(f"False alarms: nominal and actual rate on the normal test {items.many}")
    return Chart(
        svg,
        f"The fraction of normal test {items.many} that is flagged at each level. Inside the 95 % band, the deviation "
        f"from the expected rate can be explained by chance, because calibration and test {items.many} are few.",
    )


def roc(
    name: str,
    inside: Floats,
    outside: Mapping[str, Floats],
    aurocs: Mapping[str, float],
    items: Items = ROWS,
) -> Chart:
    """Draw ROC curves: the fraction of detected rows over the fraction of false alarms, for all thresholds."""
    from sklearn.metrics import roc_curve

    with svg_figure(name) as (axes, save):
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle="--", linewidth=1)
        for (label, scores), colour, dash in _with_styles(outside):
            x, y, _ = roc_curve(*_binary_problem(inside, scores))
            text = f"{label}: AUROC {aurocs[label]:.3f}"
            axes.plot(x, y, color=colour, linestyle=dash, linewidth=1.8, label=text)
        _set_unit_square(
            axes, f"false alarms (normal {items.many} flagged)", f"detected (other {items.many} flagged)"
        )
        axes.legend(loc="lower right")
        svg = save("ROC curves. " + "; ".join(f"{label}: AUROC {aurocs[label]:.3f}" for label in outside))
    return Chart(
        svg,
        f"ROC: detected {items.many} against false alarms, for all thresholds. The dashed line is random guessing.",
    )


def precision_recall(
    name: str,
    inside: Floats,
    outside: Mapping[str, Floats],
    areas: Mapping[str, float],
    items: Items = ROWS,
) -> Chart:
    """Draw precision-recall curves with the out-of-distribution rows as positives."""
    from sklearn.metrics import precision_recall_curve

    with svg_figure(name) as (axes, save):
        for (label, scores), colour, dash in _with_styles(outside):
            precision, recall, _ = precision_recall_curve(*_binary_problem(inside, scores))
            prevalence = len(scores) / (len(scores) + len(inside))
            axes.axhline(prevalence, color=colour, linewidth=0.7, alpha=0.7)
            text = f"{label}: AUC-PR {areas[label]:.3f}"
            axes.plot(recall, precision, color=colour, linestyle=dash, linewidth=1.8, label=text)
        _set_unit_square(axes, f"recall (other {items.many} flagged)", f"precision (of flagged {items.many})")
        axes.legend(loc="lower left")
        summary = "; ".join(f"{label}: AUC-PR {areas[label]:.3f}" for label in outside)
        svg = save(f"Precision-recall curves. {summary}")
    return Chart(
        svg,
        f"Precision and recall with the other {items.many} as positives. The thin lines are random guessing; their "
        f"height is the fraction of other {items.many} in the test.",
    )


def _bin_edges(normal: Floats, outside: Mapping[str, Floats]) -> Floats:
    """Return edges that cover all normal scores, and most others within 1.5 times their range."""
    width = max(float(np.ptp(normal)), 1e-9)
    low = float(min([normal.min(), *(np.quantile(scores, 0.02) for scores in outside.values())]))
    low = max(low, float(normal.min()) - 1.5 * width) - 0.02 * width
    return np.linspace(low, float(normal.max()) + 0.02 * width, BINS + 1)


def _binary_problem(inside: Floats, outside: Floats) -> tuple[Floats, Floats]:
    """Return labels (1 for out-of-distribution rows) and scores (higher for those)."""
    labels = np.concatenate([np.zeros(len(inside)), np.ones(len(outside))])
    return labels, -np.concatenate([inside, outside])


def _set_unit_square(axes: "Axes", x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.02)


def _fractions(scores: Floats, edges: Floats) -> Floats:
    counts, _ = np.histogram(np.clip(scores, edges[0], edges[-1]), edges)
    return counts / len(scores)


def _with_styles(outside: Mapping[str, Floats]) -> Iterator[tuple[tuple[str, Floats], str, str]]:
    for i, item in enumerate(outside.items()):
        yield item, SETS[i % len(SETS)], DASHES[i % len(DASHES)]


def _add_legend(axes: "Axes") -> None:
    axes.margins(x=0)
    entries = len(axes.get_legend_handles_labels()[0])
    axes.set_ylim(0, axes.get_ylim()[1] * (1 + 0.09 * ((entries + 1) // 2)))
    axes.legend(loc="upper left", ncols=2, columnspacing=1.2, handlelength=1.4)


@contextmanager
def svg_figure(name: str, size: tuple[float, float] = (4.2, 3.0)) -> Iterator[tuple["Axes", Any]]:
    """Yield the axes of a figure, and a function that returns it as SVG with a label.

    Args:
        name: prefix of ids.
        size: width and height in inches.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        axes = figure.add_subplot()
        axes.patch.set_visible(False)

        def save(label: str) -> str:
            file = io.StringIO()
            figure.savefig(file, format="svg", metadata={"Date": None})
            return inline(file.getvalue(), name, label, COLOURS)

        yield axes, save
