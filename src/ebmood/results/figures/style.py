"""Style, layout and output of all figures."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ebmood.core.files import atomic_path
from ebmood.results.arms import Arm
from ebmood.study.records import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The palette of Okabe and Ito, which is safe for colour-blind readers.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
INK, GREY = "#1a1a1a", "#8c8c8c"

_STYLE: Any = {
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.labelsize": 8.0,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "svg.hashsalt": "ebmood",  # equal records give equal files
}

_ENTRY_WIDTH, _PANEL_WIDTH, _CHARACTER_WIDTH = 1.1, 1.9, 0.062
"""Inches per entry of a legend, per panel beside long labels, and per character of a label."""


@dataclass(frozen=True)
class Drawing:
    """A figure that was written.

    Attributes:
        name: stem of its files.
        caption: what it shows, and how to read it.
        svg: whether an SVG file exists beside the PNG file.
        title: heading of a figure that opens the report, or an empty string.
    """

    name: str
    caption: str
    svg: bool = True
    title: str = ""


def record_with(arm: Arm, field: str) -> Record | None:
    """Return the arm's first record with a non-empty `field`, such as `scores`, `rays` or `landscape`."""
    return next((record for record in arm.done.values() if getattr(record, field)), None)


def arms_with(arms: Sequence[Arm], field: str) -> list[tuple[Arm, Record]]:
    """Return the arms that have a record with a non-empty `field`, with their first such record."""
    pairs = [(arm, record_with(arm, field)) for arm in arms]
    return [(arm, record) for arm, record in pairs if record is not None]


def seed_captions(records: Sequence[Record]) -> tuple[str, list[str]]:
    """Return which seeds a figure shows: as text for its caption, and as a suffix of the label of each record."""
    if len({record.seed for record in records}) == 1:
        return f"seed {records[0].seed}", [""] * len(records)
    return "one seed of each recipe, see its label", [f"\nseed {record.seed}" for record in records]


def recipe_label(arm: Arm, group: str) -> str:
    """Return what distinguishes an arm within a group (a method or a family), in one or two lines."""
    parts = [arm.form.strip(", "), arm.distinction] if arm.method == group else [arm.name]
    parts = [part for part in parts if part]
    parts += [] if arm.variant == "both" else [arm.variant]
    if arm.family == "energy":
        parts.append("unsupervised" if arm.gamma is None else f"γ = {arm.gamma:g}")
    flags = [flag for flag in arm.flags if flag != "leak"]
    return "\n".join([", ".join(parts), *([f"({', '.join(flags)})"] if flags else [])])


def add_legend(figure: "Figure", *panels: "Axes", order: Sequence[str] = ()) -> None:
    """Add one legend for all panels above them.

    Args:
        figure: the figure.
        panels: its panels.
        order: labels in their order; other labels follow, with weights of the cross-entropy in increasing order.
    """
    entries: dict[str, Any] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    others = sorted(entries, key=lambda label: float(label.split()[-1]) if label.startswith("γ") else -1.0)
    labels = list(dict.fromkeys([*(label for label in order if label in entries), *others]))
    columns = min(6, int(figure.get_figwidth() / _ENTRY_WIDTH))
    figure.legend([entries[label] for label in labels], labels, loc="outside upper center", ncols=columns)


def panel_width(labels: Sequence[str], panels: int) -> float:
    """Return the width in inches of each of several panels whose first one has long labels on its vertical axis."""
    return _PANEL_WIDTH + _CHARACTER_WIDTH * max(map(len, labels)) / panels


@contextmanager
def new_figure(
    rows: int, columns: int, width: float, height: float, **subplots: Any
) -> Iterator[tuple["Figure", list[list["Axes"]]]]:
    """Yield a figure of `rows` x `columns` panels of `width` x `height` inches, without changing global settings."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        size = (max(3.4, columns * width + 0.5), rows * height + 0.7)
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, figure.subplots(rows, columns, squeeze=False, **subplots).tolist()


def save(figure: "Figure", stem: Path) -> None:
    """Write the figure as `stem.png` and `stem.svg`. Equal figures give equal files."""
    for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
        with atomic_path(stem.with_name(stem.name + suffix)) as path:
            figure.savefig(path, dpi=200, metadata=metadata, facecolor="white")
