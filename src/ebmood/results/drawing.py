"""What all figures share: their style, one way to lay out and to save them, and what labels say."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ebmood.files import atomic_path
from ebmood.results.arms import Arm
from ebmood.study.records import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which stay apart for every common kind of colour vision.
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
    "svg.hashsalt": "ebmood",  # equal records, equal files
}


@dataclass(frozen=True)
class Picture:
    """A figure that was drawn.

    Attributes:
        name: stem of its files.
        caption: what it shows, and how to read it.
        svg: whether there is an SVG beside the PNG; a grid of samples has none.
    """

    name: str
    caption: str
    svg: bool = True


def shown(arm: Arm, what: str) -> Record | None:
    """The arm's first seed whose record holds `what`, one of `scores`, `rays`, `landscape`."""
    return next((record for record in arm.done.values() if getattr(record, what)), None)


def record_with(arm: Arm, what: str) -> Record:
    """That record of an arm of which there is one."""
    record = shown(arm, what)
    assert record is not None
    return record


def recipe_label(arm: Arm, group: str) -> str:
    """What tells an arm from others of its group, a method's name or a family's, over one line or two."""
    parts = [arm.form.strip(", ")] if arm.method == group else [arm.name]
    parts = [part for part in parts if part]
    parts += [] if arm.variant == "both" else [arm.variant]
    if arm.family == "energy":
        parts.append("unsupervised" if arm.gamma is None else f"γ = {arm.gamma:g}")
    flags = [flag for flag in arm.flags if flag != "leak"]
    return "\n".join([", ".join(parts), *([f"({', '.join(flags)})"] if flags else [])])


def legend(figure: "Figure", *panels: "Axes") -> None:
    """One legend for all panels, above them; weights of the cross-entropy in their order."""
    entries: dict[str, Any] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    labels = sorted(entries, key=lambda label: float(label.split()[-1]) if label.startswith("γ") else -1.0)
    figure.legend([entries[label] for label in labels], labels, loc="outside upper center", ncols=6)


@contextmanager
def new_figure(
    rows: int, columns: int, width: float, height: float
) -> Iterator[tuple["Figure", list[list["Axes"]]]]:
    """A figure of `rows` x `columns` panels of `width` x `height` inches, in our style and nobody else's."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        size = (max(3.4, columns * width + 0.5), rows * height + 0.7)
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, figure.subplots(rows, columns, squeeze=False).tolist()


def save(figure: "Figure", stem: Path) -> None:
    """Write the figure as `stem.png` and `stem.svg`; equal figures give equal files."""
    for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
        with atomic_path(stem.with_name(stem.name + suffix)) as path:
            figure.savefig(path, dpi=200, metadata=metadata, facecolor="white")
