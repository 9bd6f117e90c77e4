"""Figure: the log-density along rays that leave the data, for each weight of the cross-entropy."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ebmood.results.arms import Arm
from ebmood.results.figures.style import GREY, INK, Drawing, add_legend, new_figure, record_with, save
from ebmood.results.figures.ticks import symlog_decades
from ebmood.results.pairs import VARIANTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOWEST = -1e12
"""Lower limit of all axes. Flows may return lower values on inputs far from the data."""

LINEAR = 1.0
"""The vertical axis is linear up to this distance from zero, and logarithmic beyond."""


def rays(arms: Sequence[Arm], stem: str, folder: Path) -> Iterator[Drawing]:
    """Draw one panel per method and variant, with one line per weight of the cross-entropy."""
    panels = _panels(arms)
    if not panels:
        return
    gammas = sorted({arm.gamma for members in panels.values() for arm in members if arm.gamma is not None})
    columns = min(4, len(panels))
    name = f"rays-{stem}"
    with new_figure(-(-len(panels) // columns), columns, 2.0, 1.75) as (figure, grid):
        flat = [axes for row in grid for axes in row]
        for axes, (title, members) in zip(flat, panels.items(), strict=False):
            axes.set_xscale("log")
            axes.set_yscale("symlog", linthresh=LINEAR)
            for arm in members:
                _draw_rays(axes, arm, _gamma_colour(arm.gamma, gammas))
            axes.set_title(title)
            axes.axhline(0, color=GREY, linewidth=0.5, zorder=0)
            set_decade_ticks(axes)
        for axes in flat[len(panels) :]:
            axes.set_visible(False)
        figure.supxlabel("distance from a test row (units of the scaled data)", fontsize=8)
        figure.supylabel("log-density minus its value at the start", fontsize=8)
        add_legend(figure, *flat[: len(panels)])
        save(figure, folder / name)
    yield Drawing(
        name,
        f"Log-density along rays that leave the data on {arms[0].condition.label}, by the weight γ of the "
        "cross-entropy: median over rays and seeds, and the 10 % to 90 % band over rays. The scale is that of the "
        "model (nats for flows), linear between -1 and 1 and logarithmic beyond; axes end at -10^12.",
    )


def _panels(arms: Sequence[Arm]) -> dict[str, list[Arm]]:
    with_rays = [arm for arm in arms if arm.family != "baseline" and record_with(arm, "rays") is not None]
    panels: dict[str, list[Arm]] = {}
    for title in dict.fromkeys(arm.title for arm in with_rays):
        members = [arm for arm in with_rays if arm.title == title]
        if all(arm.variant == "both" for arm in members):
            panels[title] = members
            continue
        for variant in (*VARIANTS, "modern"):
            selected = [arm for arm in members if arm.variant in (variant, "both")]
            if any(arm.variant == variant for arm in selected):
                panels[f"{title}, {variant}"] = selected
    return panels


def _draw_rays(axes: "Axes", arm: Arm, colour: Any) -> None:
    profiles = [record.rays for record in arm.done.values() if record.rays is not None]
    profiles = [profile for profile in profiles if profile.distance == profiles[0].distance]
    distance = np.array(profiles[0].distance)
    positive = distance > 0  # a logarithmic axis cannot show the start, where all values are zero
    low, median, high = (
        np.median([getattr(profile, name) for profile in profiles], axis=0)[positive]
        for name in ("low", "median", "high")
    )
    label = "unsupervised" if arm.gamma is None else f"γ = {arm.gamma:g}"
    axes.fill_between(distance[positive], low, high, color=colour, alpha=0.12, linewidth=0)
    axes.plot(
        distance[positive],
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
    position = gammas.index(gamma) / (len(gammas) - 1) if len(gammas) > 1 else 0.5
    return colormaps["viridis"](0.9 * position)


def set_decade_ticks(axes: "Axes") -> None:
    """Set ticks at zero and at powers of ten on both axes, and limit the vertical axis to `LOWEST`."""
    from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator, ScalarFormatter

    axes.xaxis.set_major_locator(LogLocator(numticks=4))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=max(axes.get_ylim()[0], LOWEST))
    if max(map(abs, axes.get_ylim())) < LINEAR:  # contains no power of ten
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(ScalarFormatter())
    else:
        axes.yaxis.set_major_locator(FixedLocator(symlog_decades(*axes.get_ylim())))
