"""Every figure that the records of a study allow, as PNG and SVG."""

from collections.abc import Sequence
from pathlib import Path

from ebmood.results.arms import Arm, conditions_of
from ebmood.results.content import content_histograms
from ebmood.results.drawing import Picture
from ebmood.results.findings import in_view, views_of
from ebmood.results.histograms import histograms
from ebmood.results.landscapes import landscapes
from ebmood.results.rays import rays
from ebmood.results.samples import samples
from ebmood.results.table import slug


def draw_figures(arms: Sequence[Arm], folder: Path) -> list[Picture]:
    """Draw every figure that the records allow into `folder`.

    Raises:
        EbmoodError: the folder cannot be written, or a record holds a picture that is none.
    """
    pictures = []
    for view in views_of(arms):
        for condition in conditions_of(in_view(arms, view)):
            here = [arm for arm in in_view(arms, view) if arm.condition == condition]
            stem = slug(condition.label) + ("-leak" if view.selection == "paper" else "")
            for draw in (histograms, content_histograms, rays, landscapes, samples):
                pictures += draw(here, stem, folder)
    return pictures
