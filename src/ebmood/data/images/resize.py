"""The rule that brings every image to the shape of the in-distribution set.

1. Colour. For a greyscale set, a colour image is converted to Pillow's mode `L` (ITU-R 601-2 luma,
   `0.299 R + 0.587 G + 0.114 B`). For a colour set, a greyscale image is repeated in all three channels. Palettes are
   converted to colours, transparency is dropped.
2. Size. The centred square whose side is the shorter side of the image is resized to `size` x `size` pixels, bilinear,
   with antialiasing if it shrinks (Pillow's `BILINEAR`). An image whose shorter side equals `size` is only cropped,
   and a square image of this size is not changed. The 28 x 28 pixels of FMNIST are enlarged to 32 x 32, and not
   padded.

Images have 8 bits per channel; `readers.to_bytes` converts others.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

RULE = "upright; L or RGB; centred square, bilinear, antialias; 2"
"""Identifies the rule in the keys of cached arrays. Change it when the rule changes."""

GREY = ("1", "L", "LA")


def count_channels(image: "Image") -> int:
    """Return 1 for a greyscale image and 3 for a colour image.

    Args:
        image: an image with 8 bits per channel, as `open_image` returns it.
    """
    return 1 if image.mode in GREY else 3


def resize_image(image: "Image", channels: int, size: int) -> np.ndarray:
    """Return an image as `(channels, size, size)`, uint8, by the rule of this module.

    Args:
        image: an image with 8 bits per channel.
        channels: 1 or 3.
        size: height and width of the result in pixels.
    """
    from PIL.Image import Resampling

    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")  # avoids Pillow's warning about transparent palettes
    mode = "L" if channels == 1 else "RGB"
    if image.mode != mode:
        image = image.convert(mode)
    side = min(image.size)
    x0, y0 = ((extent - side) // 2 for extent in image.size)
    if image.size != (side, side):
        image = image.crop((x0, y0, x0 + side, y0 + side))
    if side != size:
        image = image.resize((size, size), Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
