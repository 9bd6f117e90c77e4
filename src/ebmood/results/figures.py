"""Figures from records: score histograms, rays that leave the data, landscapes of 2-D data. PNG and SVG."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ebmood.files import atomic_path
from ebmood.results.arms import Arm, conditions_of, method_name
from ebmood.results.findings import VARIANTS, in_view, views_of
from ebmood.results.table import slug
from ebmood.study.records import Landscape, Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which stay apart for every common kind of colour vision.
BLUE, VERMILION, INK, GREY = "#0072B2", "#D55E00", "#1a1a1a", "#8c8c8c"
USUAL_GAMMAS = (None, 1.0)
BINS = 30

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
    """A figure that was drawn: `name` is the stem of its files."""

    name: str
    caption: str


def draw_figures(arms: Sequence[Arm], folder: Path) -> list[Picture]:
    """Draw every figure that the records allow into `folder`, as PNG and SVG.

    Raises:
        EbmoodError: the folder cannot be written.
    """
    pictures = []
    for view in views_of(arms):
        for condition in conditions_of(in_view(arms, view)):
            here = [arm for arm in in_view(arms, view) if arm.condition == condition]
            stem = slug(condition.label) + ("-leak" if view.selection == "paper" else "")
            pictures += _histograms(here, stem, folder)
            pictures += _rays(here, stem, folder)
            pictures += _landscapes(here, stem, folder)
    return pictures


def _histograms(arms: Sequence[Arm], stem: str, folder: Path) -> Iterator[Picture]:
    """One figure for each energy-based method, one for flows, one for baselines; a row for each recipe."""
    groups: dict[str, list[Arm]] = {}
    for arm in arms:
        if _shown(arm, "scores") is not None:
            groups.setdefault(arm.method if arm.family == "energy" else arm.family, []).append(arm)
    for group, members in groups.items():
        usual = [arm for arm in members if arm.gamma in USUAL_GAMMAS] or members
        sets = list(dict.fromkeys(r.name for arm in usual for r in _record(arm, "scores").results))
        if not sets:
            continue
        with _figure(len(usual), len(sets), 1.75, 1.25) as (figure, panels):
            for row, arm in zip(panels, usual, strict=True):
                record = _record(arm, "scores")
                for axes, name in zip(row, sets, strict=True):
                    _histogram(axes, record, name)
                row[0].set_ylabel(_recipe_label(arm, group).replace(", ", "\n"), fontsize=7)
            for axes, name in zip(panels[0], sets, strict=True):
                axes.set_title(name)
            figure.supxlabel(_score_label(usual), fontsize=8)
            _legend(figure, panels[0][0])
            name = f"histograms-{stem}-{slug(group)}"
            _save(figure, folder / name)
        title = method_name(group) if group in ("ssm", "cd", "vera") else f"{group}s"
        label = usual[0].condition.label
        yield Picture(
            name,
            f"{title} on {label}: share of test rows by score, ID against each OOD set (first seed done); "
            "higher is more in-distribution. Steps are even near the ID rows and grow far from them (asinh); "
            "scores beyond the ends count in the outermost bins.",
        )


def _histogram(axes: "Axes", record: Record, name: str) -> None:
    inside, outside = np.array(record.scores["id"]), np.array(record.scores.get(name, ()))
    # OOD scores may lie a million ID widths away: even steps near the ID rows, growing steps far from them.
    quarters = np.quantile(inside, [0.25, 0.5, 0.75])
    centre, width = quarters[1], (quarters[2] - quarters[0]) or inside.std() or 1.0
    inside, outside = np.arcsinh((inside - centre) / width), np.arcsinh((outside - centre) / width)
    low, high = np.quantile(np.concatenate([inside, outside]), [0.005, 0.995])
    low, high = low - 0.05, high + 0.05
    edges = np.linspace(low, high, BINS + 1)
    axes.stairs(_shares(inside, edges), edges, fill=True, color=BLUE, alpha=0.55, label="ID test rows")
    if len(outside):
        axes.stairs(_shares(outside, edges), edges, color=VERMILION, linewidth=1.0, label="OOD rows")
        result = next(result for result in record.results if result.name == name)
        place = {"transform": axes.transAxes, "va": "top", "fontsize": 6.5}
        axes.text(0.04, 0.97, f"AUROC {result.auroc:.3f}", color=INK, **place)
    axes.set_yticks([])
    axes.margins(x=0.01)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.25)
    places = low + (high - low) * np.array([0.12, 0.5, 0.88])
    values = centre + width * np.sinh(places)
    gaps = np.diff(values)
    labels = [_in_print(v, gap) for v, gap in zip(values, (gaps[0], gaps.min(), gaps[1]), strict=True)]
    shown = (
        [0, 1, 2] if len("".join(labels).replace("times", "")) < 22 else [0, 2]
    )  # long labels need the room
    axes.set_xticks(places[shown], [labels[k] for k in shown])


def _in_print(value: float, gap: float) -> str:
    """A tick's label, with the digits that tell it from a neighbour `gap` away."""
    number = next(
        (t for n in range(2, 7) if abs(float(t := f"{value:.{n}g}") - value) < gap / 8), f"{value:.7g}"
    )
    if 1 <= abs(float(number)) < 1e4 and "e" in number:
        number = f"{float(number):.0f}"
    mantissa, _, exponent = number.partition("e")
    return rf"${mantissa}\times10^{{{int(exponent)}}}$" if exponent else f"${mantissa}$"


def _shares(scores: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Shares of scores by bin; what lies beyond the ends counts in the outermost bins."""
    return np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0] / len(scores)


def _rays(arms: Sequence[Arm], stem: str, folder: Path) -> Iterator[Picture]:
    """One panel for each method and variant, one line for each weight of the cross-entropy."""
    panels = _ray_panels(arms)
    if not panels:
        return
    gammas = sorted({arm.gamma for members in panels.values() for arm in members if arm.gamma is not None})
    columns = min(4, len(panels))
    with _figure(-(-len(panels) // columns), columns, 2.0, 1.75) as (figure, grid):
        flat = [axes for row in grid for axes in row]
        for axes, (title, members) in zip(flat, panels.items(), strict=False):
            axes.set_xscale("log")
            axes.set_yscale("symlog", linthresh=1.0)
            for arm in members:
                _ray_lines(axes, arm, _gamma_colour(arm.gamma, gammas))
            axes.set_title(title)
            axes.axhline(0, color=GREY, linewidth=0.5, zorder=0)
            _few_ticks(axes)
        for axes in flat[len(panels) :]:
            axes.set_visible(False)
        figure.supxlabel("distance from a test row (units of the scaled data)", fontsize=8)
        figure.supylabel("log-density less its start's", fontsize=8)
        _legend(figure, *flat[: len(panels)])
        name = f"rays-{stem}"
        _save(figure, folder / name)
    yield Picture(
        name,
        f"Log-density along rays that leave the data on {arms[0].condition.label}, by the weight γ of the "
        "cross-entropy: median over rays and seeds, and the 10 % to 90 % band over rays. The scale is the "
        "model's own (nats for flows), linear between -1 and 1 and logarithmic beyond.",
    )


def _ray_panels(arms: Sequence[Arm]) -> dict[str, list[Arm]]:
    shown = [arm for arm in arms if arm.family != "baseline" and _shown(arm, "rays") is not None]
    panels: dict[str, list[Arm]] = {}
    for method in dict.fromkeys(arm.method for arm in shown):
        members = [arm for arm in shown if arm.method == method]
        if all(arm.variant == "both" for arm in members):
            panels[method_name(method)] = members
            continue
        for variant in VARIANTS:
            chosen = [arm for arm in members if arm.variant in (variant, "both")]
            if any(arm.variant == variant for arm in chosen):
                panels[f"{method_name(method)}, {variant}"] = chosen
    return panels


def _ray_lines(axes: "Axes", arm: Arm, colour: Any) -> None:
    rays = [record.rays for record in arm.done.values() if record.rays is not None]
    rays = [each for each in rays if each.distance == rays[0].distance]
    distance = np.array(rays[0].distance)
    away = distance > 0  # the start has no place on a logarithmic axis, and its value is zero
    low, median, high = (
        np.median([getattr(each, name) for each in rays], axis=0)[away] for name in ("low", "median", "high")
    )
    label = "unsupervised" if arm.gamma is None else f"γ = {arm.gamma:g}"
    axes.fill_between(distance[away], low, high, color=colour, alpha=0.12, linewidth=0)
    axes.plot(
        distance[away],
        median,
        color=colour,
        linewidth=1.3,
        linestyle="--" if arm.gamma is None else "-",
        label=label,
    )


def _gamma_colour(gamma: float | None, gammas: Sequence[float]) -> Any:
    from matplotlib import colormaps

    if gamma is None:
        return INK
    place = gammas.index(gamma) / max(1, len(gammas) - 1) if len(gammas) > 1 else 0.5
    return colormaps["viridis"](0.9 * place)


def _few_ticks(axes: "Axes") -> None:
    from matplotlib.ticker import LogLocator, NullLocator, SymmetricalLogLocator

    axes.xaxis.set_major_locator(LogLocator(numticks=4))
    axes.xaxis.set_minor_locator(NullLocator())
    locator = SymmetricalLogLocator(base=10.0, linthresh=1.0)
    locator.set_params(numticks=6)
    axes.yaxis.set_major_locator(locator)
    axes.yaxis.set_minor_locator(NullLocator())


def _landscapes(arms: Sequence[Arm], stem: str, folder: Path) -> Iterator[Picture]:
    """A grid of recipes on 2-D data."""
    shown = [arm for arm in arms if _shown(arm, "landscape") is not None]
    if not shown:
        return
    columns = min(4, len(shown))
    with _figure(-(-len(shown) // columns), columns, 1.75, 1.8) as (figure, grid):
        flat = [axes for row in grid for axes in row]
        image = None
        for axes, arm in zip(flat, shown, strict=False):
            landscape = _record(arm, "landscape").landscape
            assert landscape is not None
            image = _landscape(axes, landscape)
            axes.set_title(_recipe_label(arm, ""), fontsize=7)
        for axes in flat[len(shown) :]:
            axes.set_visible(False)
        assert image is not None
        bar = figure.colorbar(image, ax=flat, shrink=0.6, aspect=30, pad=0.02)
        bar.set_label("share of the picture with a lower density")
        bar.outline.set_visible(False)  # type: ignore[operator]
        name = f"landscapes-{stem}"
        _save(figure, folder / name)
    yield Picture(
        name,
        f"Densities on {arms[0].condition.label} (first seed done), coloured by rank, since most models have "
        "no common scale. Dots: training rows. White line: the level that keeps 95 % of them.",
    )


def _landscape(axes: "Axes", landscape: Landscape):
    from scipy.interpolate import RegularGridInterpolator
    from scipy.stats import rankdata

    x, y, value = np.array(landscape.x), np.array(landscape.y), np.array(landscape.value)
    ranks = (rankdata(value).reshape(value.shape) - 0.5) / value.size
    image = axes.pcolormesh(x, y, ranks, cmap="viridis", vmin=0, vmax=1, shading="gouraud", rasterized=True)
    rows = np.array(landscape.rows)
    if len(rows):
        axes.scatter(rows[:, 0], rows[:, 1], s=1.2, color=VERMILION, alpha=0.8, linewidths=0)
        at_rows = RegularGridInterpolator((y, x), ranks, bounds_error=False)(rows[:, ::-1])
        level = np.nanquantile(at_rows, 0.05)
        if ranks.min() < level < ranks.max():
            for colour, width in ((INK, 1.8), ("white", 0.9)):  # seen on dark and on light ground
                axes.contour(x, y, ranks, levels=[level], colors=colour, linewidths=width)
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return image


def _shown(arm: Arm, what: str) -> Record | None:
    """The arm's first seed whose record holds `what`, one of `scores`, `rays`, `landscape`."""
    return next((record for record in arm.done.values() if getattr(record, what)), None)


def _record(arm: Arm, what: str) -> Record:
    record = _shown(arm, what)
    assert record is not None
    return record


def _recipe_label(arm: Arm, group: str) -> str:
    parts = [] if arm.method == group else [arm.name]
    parts += [] if arm.variant == "both" else [arm.variant]
    if arm.family == "energy":
        parts.append("unsupervised" if arm.gamma is None else f"γ = {arm.gamma:g}")
    flags = [flag for flag in arm.flags if flag != "leak"]
    return "\n".join([", ".join(parts), *([f"({', '.join(flags)})"] if flags else [])])


def _score_label(arms: Sequence[Arm]) -> str:
    if all(record.normalised for arm in arms for record in arm.done.values()):
        return "log-density (nats)"
    return "score (each panel has its own scale)"


def _legend(figure: "Figure", *panels: "Axes") -> None:
    """One legend for all panels, above them; weights of the cross-entropy in their order."""
    entries: dict[str, Any] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    labels = sorted(entries, key=lambda label: float(label.split()[-1]) if label.startswith("γ") else -1.0)
    figure.legend([entries[label] for label in labels], labels, loc="outside upper center", ncols=6)


@contextmanager
def _figure(
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


def _save(figure: "Figure", stem: Path) -> None:
    for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
        with atomic_path(stem.with_name(stem.name + suffix)) as path:
            figure.savefig(path, dpi=200, metadata=metadata, facecolor="white")
