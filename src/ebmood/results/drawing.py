"""What all figures share: their style, one way to lay out and to save them, and what labels say."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ebmood.core.files import atomic_path
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


def seeds_drawn(records: Sequence[Record]) -> tuple[str, list[str]]:
    """Which seeds are shown: in words for a caption, and for the label of each record (empty where all are one)."""
    if len({record.seed for record in records}) == 1:
        return f"seed {records[0].seed}", [""] * len(records)
    return "one seed of each recipe, at its label", [f"\nseed {record.seed}" for record in records]


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
    columns = min(
        6, int(figure.get_figwidth() / 1.1)
    )  # inches that an entry takes; a small figure has room for few
    figure.legend([entries[label] for label in labels], labels, loc="outside upper center", ncols=columns)


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


def round_ticks(
    axes: "Axes",
    value: Callable[[float], float],
    place: Callable[[float], float],
    shares: Sequence[float],
) -> None:
    """Ticks at round numbers on an x axis whose steps are not even.

    Near each of `shares` of the way along the axis stands the number with the fewest digits; near is within a sixth of
    the way to the next.

    Args:
        axes: their x axis has its ends.
        value: position on the axis -> the number that it stands for; increasing.
        place: the inverse of `value`.
        shares: at least two, ascending, in (0, 1).
    """
    low, high = axes.get_xlim()
    reach = float(np.diff(shares).min()) / 6
    numbers = [
        _roundest(*(value(low + (high - low) * (share + side)) for side in (-reach, reach)))
        for share in shares
    ]
    axes.set_xticks([place(number) for number in numbers], [in_print(number) for number in numbers])


def _roundest(low: float, high: float) -> float:
    """The number in [low, high] with the largest of the steps 1, 2 and 5 times a power of ten; zero if it is there."""
    if low <= 0 <= high:
        return 0.0
    for power in range(int(np.ceil(np.log10(max(-low, high)))), -40, -1):
        for step in (5, 2, 1):
            multiple = round((low + high) / 2 / (step * 10.0**power))
            number = float(f"{multiple * step}e{power}")
            if low <= number <= high:
                return number
    return (low + high) / 2


def in_print(number: float) -> str:
    """A number as a figure prints it: a true minus, and powers of ten from 10,000 on and below 0.001."""
    text = f"{number:.7g}"
    if number and not 1e-3 <= abs(number) < 1e4:
        mantissa, _, exponent = f"{number:.6e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".")
        times = {"1": "", "-1": "-"}.get(mantissa, rf"{mantissa}\times")
        text = rf"{times}10^{{{int(exponent)}}}"
    return f"${text}$"


def save(figure: "Figure", stem: Path) -> None:
    """Write the figure as `stem.png` and `stem.svg`; equal figures give equal files."""
    for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
        with atomic_path(stem.with_name(stem.name + suffix)) as path:
            figure.savefig(path, dpi=200, metadata=metadata, facecolor="white")
