"""What a detector scores, in the words of messages and pages: rows of a table, images, or texts."""

from dataclasses import dataclass

from pydantic import JsonValue

from ebmood.core.words import noun
from ebmood.detector.calibrated import Calibrated
from ebmood.embedders import EmbedderIdentity

IMAGE_NOTE = "images"
"""Key of the shape of images in the notes of a saved detector."""

CLASSIFIER_IMAGE_NOTE = "image"
"""Key of how images are read in the notes of a detector of a classifier."""


@dataclass(frozen=True)
class Items:
    """Words for what a detector scores.

    Attributes:
        one: for one of them.
        many: for several.
    """

    one: str
    many: str

    def count(self, number: int) -> str:
        """Return a number with the word.

        >>> IMAGES.count(1), IMAGES.count(1200)
        ('1 image', '1,200 images')
        """
        return f"{number:,} {noun(number, self.one, self.many)}"


ROWS = Items("row", "rows")
IMAGES = Items("image", "images")
TEXTS = Items("text", "texts")


def items_of(detector: Calibrated) -> Items:
    """Return the words for what a fitted detector scores."""
    embedder = getattr(detector, "embedder_", None)
    return items_in(getattr(detector, "notes_", {}), None if embedder is None else embedder.identity)


def items_in(notes: dict[str, JsonValue], embedder: EmbedderIdentity | None) -> Items:
    """Return the words for what a saved detector scores.

    Args:
        notes: its notes.
        embedder: identity of the embedder of its inputs, or None.
    """
    if embedder is not None:
        return IMAGES if embedder.items == "images" else TEXTS
    is_image = any(notes.get(key) is not None for key in (IMAGE_NOTE, CLASSIFIER_IMAGE_NOTE))
    return IMAGES if is_image else ROWS
