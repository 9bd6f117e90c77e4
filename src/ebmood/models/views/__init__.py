"""Views: transformations of numeric columns in which energies are fitted."""

from ebmood.models.views.min_max import MinMax
from ebmood.models.views.normal_scores import NormalScores
from ebmood.models.views.raw import Raw
from ebmood.models.views.robust import Robust
from ebmood.models.views.standardised import Standardised
from ebmood.models.views.unit_length import UnitLength
from ebmood.models.views.view import View
from ebmood.models.views.whitened import Whitened, WhitenedNormalScores, WhitenedRaw, WhitenedUnitLength

VIEWS: tuple[type[View], ...] = (
    Standardised,
    MinMax,
    Robust,
    NormalScores,
    Whitened,
    WhitenedNormalScores,
    UnitLength,
    WhitenedRaw,
    WhitenedUnitLength,
    Raw,
)
"""All views. A new view is one file and a line here."""

__all__ = [
    "VIEWS",
    "MinMax",
    "NormalScores",
    "Raw",
    "Robust",
    "Standardised",
    "UnitLength",
    "View",
    "Whitened",
    "WhitenedNormalScores",
    "WhitenedRaw",
    "WhitenedUnitLength",
]
