"""Figure: the log-density along rays that leave the data, as the weight of the cross-entropy grows."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ebmood.results.arms import Arm
from ebmood.results.drawing import GREY, INK, Picture, legend, new_figure, save, shown
from ebmood.results.findings import VARIANTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOWEST = -1e12
"""Where axes end at the latest: below lie flows on inputs that they have no numbers for."""

LINEAR = 1.0
"""The vertical axis is linear up to here to both sides of zero, and logarithmic beyond."""


def rays(arms: Sequence[Arm], stem: str, folder: Path) -> Iterator[Picture]:
    """One panel for each method and variant, one line for each weight of the cross-entropy."""
    panels = _ray_panels(arms)
    if not panels:
        return
    gammas = sorted({arm.gamma for members in panels.values() for arm in members if arm.gamma is not None})
    columns = min(4, len(panels))
    with new_figure(-(-len(panels) // columns), columns, 2.0, 1.75) as (figure, grid):
        flat = [axes for row in grid for axes in row]
        for axes, (title, members) in zip(flat, panels.items(), strict=False):
            axes.set_xscale("log")
            axes.set_yscale("symlog", linthresh=LINEAR)
            for arm in members:
                _ray_lines(axes, arm, _gamma_colour(arm.gamma, gammas))
            axes.set_title(title)
            axes.axhline(0, color=GREY, linewidth=0.5, zorder=0)
            _few_ticks(axes)
        for axes in flat[len(panels) :]:
            axes.set_visible(False)
        figure.supxlabel("distance from a test row (units of the scaled data)", fontsize=8)
        figure.supylabel("log-density less its start's", fontsize=8)
        legend(figure, *flat[: len(panels)])
        name = f"rays-{stem}"
        save(figure, folder / name)
    yield Picture(
        name,
        f"Log-density along rays that leave the data on {arms[0].condition.label}, by the weight γ of the "
        "cross-entropy: median over rays and seeds, and the 10 % to 90 % band over rays. The scale is the "
        "model's own (nats for flows), linear between -1 and 1 and logarithmic beyond; axes end at "
        "-10^12, where they would go further.",
    )


def _ray_panels(arms: Sequence[Arm]) -> dict[str, list[Arm]]:
    with_rays = [arm for arm in arms if arm.family != "baseline" and shown(arm, "rays") is not None]
    panels: dict[str, list[Arm]] = {}
    for title in dict.fromkeys(arm.title for arm in with_rays):
        members = [arm for arm in with_rays if arm.title == title]
        if all(arm.variant == "both" for arm in members):
            panels[title] = members
            continue
        for variant in VARIANTS:
            chosen = [arm for arm in members if arm.variant in (variant, "both")]
            if any(arm.variant == variant for arm in chosen):
                panels[f"{title}, {variant}"] = chosen
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
    """Powers of ten on both axes, and zero; an axis that would go on beyond all numbers ends at `LOWEST`."""
    from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator, ScalarFormatter

    axes.xaxis.set_major_locator(LogLocator(numticks=4))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=max(axes.get_ylim()[0], LOWEST))
    if max(map(abs, axes.get_ylim())) < LINEAR:  # no power of ten lies within
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(ScalarFormatter())
    else:
        axes.yaxis.set_major_locator(FixedLocator(_decades(*axes.get_ylim())))


def _decades(low: float, high: float) -> list[float]:
    """Zero, and to either side powers of ten as far apart as makes them few; none so near zero that labels touch."""
    down, up = (math.log10(max(end, 1.0)) for end in (-low, high))
    step = max(1, math.ceil((down + up) / 5))
    first = step if step > 1 else 0  # a symmetric logarithmic axis gives each decade as much room as [0, 1]
    powers = [
        sign * 10.0**power
        for sign, most in ((-1, down), (1, up))
        for power in range(first, math.floor(most) + 1, step)
    ]
    return sorted([0.0, *(power for power in powers if low <= power <= high)])
