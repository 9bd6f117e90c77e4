"""All figures of a study. A new figure is one line in `_PER_CONDITION`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ebmood.results.arms import Arm, conditions_of
from ebmood.results.figures.content_histograms import content_histograms
from ebmood.results.figures.forest import forest_plots
from ebmood.results.figures.histograms import histograms
from ebmood.results.figures.landscapes import landscapes
from ebmood.results.figures.rays import rays
from ebmood.results.figures.samples import samples
from ebmood.results.figures.seeds import seed_strips
from ebmood.results.figures.style import Drawing
from ebmood.results.pairs import in_view, views_of
from ebmood.results.text import slug

_PER_CONDITION = (histograms, content_histograms, rays, landscapes, samples)


def draw_answers(arms: Sequence[Arm], folder: Path) -> list[Drawing]:
    """Draw the figures that open the report: one forest plot per question, and the seeds of every arm.

    Raises:
        EbmoodError: the folder cannot be written.
    """
    drawings = list(forest_plots(arms, folder))
    for members, stem in _by_condition(arms):
        drawings += seed_strips(members, stem, folder)
    return drawings


def draw_figures(arms: Sequence[Arm], folder: Path) -> list[Drawing]:
    """Draw all other figures that the records allow.

    Raises:
        EbmoodError: the folder cannot be written, or a record contains an invalid picture.
    """
    drawings: list[Drawing] = []
    for members, stem in _by_condition(arms):
        for draw in _PER_CONDITION:
            drawings += draw(members, stem, folder)
    return drawings


def _by_condition(arms: Sequence[Arm]) -> Iterator[tuple[list[Arm], str]]:
    """Yield the arms of each view and condition, with a stem for file names."""
    for view in views_of(arms):
        members = in_view(arms, view)
        for condition in conditions_of(members):
            stem = slug(condition.label) + ("-leak" if view.selection == "paper" else "")
            yield [arm for arm in members if arm.condition == condition], stem
