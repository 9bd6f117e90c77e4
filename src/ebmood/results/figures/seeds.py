"""Figure: AUROC of every arm, seed by seed, since a mean and a deviation can hide two clusters."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ebmood.results import poster
from ebmood.results.arms import Arm
from ebmood.results.figures.style import (
    BLUE,
    GREY,
    INK,
    VERMILION,
    Drawing,
    add_legend,
    new_figure,
    panel_width,
    save,
)

ROW_HEIGHT = 0.2
"""Inches per arm."""

MOST_ROWS = 45
"""Arms per figure."""


def seed_strips(arms: Sequence[Arm], stem: str, folder: Path) -> Iterator[Drawing]:
    """Draw a strip of dots per arm, with natural and non-natural sets side by side."""
    drawn = [arm for arm in arms if arm.done]
    kinds = [kind for kind in poster.KINDS if any(len(arm.values(kind, "auroc")) for arm in drawn)]
    for start in range(0, len(drawn) if kinds else 0, MOST_ROWS):
        name = f"seeds-{stem}" + (f"-{start // MOST_ROWS + 1}" if start else "")
        _draw(drawn[start : start + MOST_ROWS], kinds, folder / name)
        yield Drawing(
            name,
            f"AUROC on {arms[0].condition.label}: each dot is one seed, the line is the mean over seeds. Arms whose "
            "seeds differ by more than 0.2 are unstable.",
            title="" if start else f"Scores on {arms[0].condition.label}, seed by seed",
        )


def _draw(arms: Sequence[Arm], kinds: Sequence[str], stem: Path) -> None:
    labels = [f"{arm.label} (unstable)" if arm.unstable else arm.label for arm in arms]
    width, height = panel_width(labels, len(kinds)), ROW_HEIGHT * len(arms) + 0.25
    with new_figure(1, len(kinds), width, height, sharex=True, sharey=True) as (figure, grid):
        for axes, kind in zip(grid[0], kinds, strict=True):
            for line, arm in enumerate(arms):
                values = arm.values(kind, "auroc")  # type: ignore[arg-type]  # a member of poster.KINDS
                if len(values):
                    axes.plot([values.mean()] * 2, [line - 0.35, line + 0.35], color=INK, linewidth=0.9)
                    colour, label = (VERMILION, "unstable") if arm.unstable else (BLUE, "one seed")
                    axes.plot(
                        values,
                        [line] * len(values),
                        "o",
                        color=colour,
                        alpha=0.7,
                        markersize=3.5,
                        label=label,
                    )
            axes.set_title(f"{kind} OOD sets")
            axes.axvline(0.5, color=GREY, linewidth=0.6, linestyle=":", zorder=0)
            axes.grid(axis="y", color=GREY, linewidth=0.3, alpha=0.5)
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
        first = grid[0][0]
        first.set_ylim(len(arms) - 0.4, -0.6)
        first.set_yticks(range(len(arms)), labels)
        first.set_xlim(right=1.03)
        figure.supxlabel("AUROC", fontsize=8)
        add_legend(figure, *grid[0])
        save(figure, stem)
