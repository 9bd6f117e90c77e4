"""The one rule that brings every image to the in-distribution set's shape.

1. Colour. Where the in-distribution set is greyscale, a colour image becomes Pillow's `L` (ITU-R 601-2 luma,
   `0.299 R + 0.587 G + 0.114 B`). Where it is in colour, a greyscale image is repeated in all three channels.
   Palettes are looked up, transparency is dropped.
2. Size. The centred square whose side is the image's shorter side is resized to `size` x `size`, bilinear,
   and with antialiasing where it shrinks (Pillow's `BILINEAR`). An image whose shorter side is `size` already
   is only cropped, and a square one comes out to the bit. So FMNIST's 28 x 28 pixels are enlarged to 32 x 32, and not
   padded.

Images with more than 8 bits a channel are refused, as Pillow would clip them.
"""

from typing import TYPE_CHECKING

import numpy as np

from ebmood.core.errors import EbmoodError

if TYPE_CHECKING:
    from PIL.Image import Image

RULE = "L or RGB; centred square, bilinear, antialias; 1"
"""Goes into the names of cached arrays: another rule, another text here."""

GREY = ("1", "L", "LA")
COLOUR = ("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV")


def channels_of(image: "Image", name: str) -> int:
    """1 or 3: whether `image` is greyscale or in colour.

    Raises:
        EbmoodError: it has more than 8 bits a channel; the message calls it `name`.
    """
    if image.mode not in GREY + COLOUR:
        raise EbmoodError(
            f"{name}: pixels of mode {image.mode} are not bytes; convert the image to 8 bits a channel"
        )
    return 1 if image.mode in GREY else 3


def shaped(image: "Image", channels: int, size: int) -> np.ndarray:
    """`image` by the rule in the module's head: `(channels, size, size)`, uint8.

    Args:
        image: of a mode that `channels_of` knows.
        channels: 1 or 3.
        size: of the result's sides, in pixels.
    """
    from PIL.Image import Resampling

    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")  # by way of RGBA, so that Pillow does not warn of transparent palettes
    mode = "L" if channels == 1 else "RGB"
    if image.mode != mode:
        image = image.convert(mode)
    side = min(image.size)
    left, top = ((extent - side) // 2 for extent in image.size)
    if image.size != (side, side):
        image = image.crop((left, top, left + side, top + side))
    if side != size:
        image = image.resize((size, size), Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
