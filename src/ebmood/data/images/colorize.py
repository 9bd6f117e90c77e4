"""Colourised greyscale sets: a stand-in for a natural set in colour, where none is to hand.

Image i of a part has a background colour and a foreground colour, six bytes drawn uniformly and independently
from a stream of the part's number of images; black becomes the background, white the foreground, and greys lie
linearly between, rounded. So the same file always gives the same pixels, and no class has a colour of its own.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ebmood.core.seeding import numpy_stream
from ebmood.data.images.readers import Part, Pictures

if TYPE_CHECKING:
    from PIL.Image import Image


def colourised(part: Part) -> Part:
    """`part` with every image in two colours of its own. Colour images go by their luma."""

    def read() -> Pictures:
        pictures = part.read()
        return replace(pictures, picture=_painter(pictures))

    return replace(part, where=f"{part.where}, colourised", read=read)


def _painter(pictures: Pictures) -> "Callable[[int], Image]":
    from PIL import Image

    ends = numpy_stream(0, f"colourised/{pictures.count}").integers(0, 256, (pictures.count, 2, 3))

    def paint(i: int) -> "Image":
        grey = np.asarray(pictures.picture(i).convert("L"))
        shades = (
            np.linspace(ends[i, 0], ends[i, 1], 256).round().astype(np.uint8)
        )  # (256, 3): a colour for each grey
        return Image.fromarray(shades[grey])

    return paint
