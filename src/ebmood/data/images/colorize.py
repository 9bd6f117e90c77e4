"""Colourised greyscale sets, which can replace a natural set in colour that is not available.

Each image has a background colour and a foreground colour, six bytes that are drawn uniformly and independently. The
random stream depends on the number of images of the part only, so that the same file always gives the same pixels, and
colours do not depend on classes. Black becomes the background colour, white the foreground colour, and greys are
interpolated linearly and rounded.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ebmood.core.seeding import numpy_stream
from ebmood.data.images.readers import ImageSequence, Part

if TYPE_CHECKING:
    from PIL.Image import Image


def colourise(part: Part) -> Part:
    """Return the part with random colours. Images in colour are converted to greyscale first."""

    def read() -> ImageSequence:
        images = part.read()
        return replace(images, load=_colouriser(images))

    return replace(part, description=f"{part.description}, colourised", read=read)


def _colouriser(images: ImageSequence) -> "Callable[[int], Image]":
    from PIL import Image

    colours = numpy_stream(0, f"colourised/{images.count}").integers(0, 256, (images.count, 2, 3))

    def load(i: int) -> "Image":
        grey = np.asarray(images.load(i).convert("L"))
        palette = np.linspace(colours[i, 0], colours[i, 1], 256).round().astype(np.uint8)  # (256, 3)
        return Image.fromarray(palette[grey])

    return load
