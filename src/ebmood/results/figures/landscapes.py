"""Figure: densities of two-dimensional data on a grid."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ebmood.results.arms import Arm
from ebmood.results.figures.style import (
    INK,
    VERMILION,
    Drawing,
    arms_with,
    new_figure,
    recipe_label,
    save,
    seed_captions,
)
from ebmood.study.records import Landscape

if TYPE_CHECKING:
    from matplotlib.axes import Axes


TITLE_WIDTH = 28
"""Characters in a line of a title. More do not fit above a panel."""


def landscapes(arms: Sequence[Arm], stem: str, folder: Path) -> Iterator[Drawing]:
    """Draw a grid of recipes on two-dimensional data."""
    drawn = arms_with(arms, "landscape")
    if not drawn:
        return
    caption, suffixes = seed_captions([record for _, record in drawn])
    columns = min(4, len(drawn))
    name = f"landscapes-{stem}"
    with new_figure(-(-len(drawn) // columns), columns, 1.75, 1.65) as (figure, grid):
        panels = [axes for row in grid for axes in row]
        image = None
        for axes, (arm, record), suffix in zip(panels, drawn, suffixes, strict=False):
            assert record.landscape is not None
            image = _draw_landscape(axes, record.landscape)
            axes.set_title(_wrapped(recipe_label(arm, "") + suffix), fontsize=7)
        for axes in panels[len(drawn) :]:
            axes.set_visible(False)
        assert image is not None
        bar = figure.colorbar(image, ax=panels, shrink=0.6, aspect=30, pad=0.02)
        bar.set_label("fraction of the grid with a lower density")
        bar.outline.set_visible(False)  # type: ignore[operator]  # untyped in matplotlib
        save(figure, folder / name)
    yield Drawing(
        name,
        f"Densities on {arms[0].condition.label} ({caption}), coloured by rank, since most models have no common "
        "scale. Dots: training rows. White line: the level above which 95 % of them lie.",
    )


def _wrapped(title: str) -> str:
    """Return the title with lines of at most `TITLE_WIDTH` characters, broken between words."""
    return "\n".join(textwrap.fill(line, TITLE_WIDTH) for line in title.splitlines())


def _draw_landscape(axes: "Axes", landscape: Landscape):
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
            for colour, width in ((INK, 1.8), ("white", 0.9)):  # visible on dark and on bright colours
                axes.contour(x, y, ranks, levels=[level], colors=colour, linewidths=width)
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return image
