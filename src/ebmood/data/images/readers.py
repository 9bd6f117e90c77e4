"""Readers of images: a part of a set on disk, and access to its images one by one."""

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from ebmood.core.errors import EbmoodError

if TYPE_CHECKING:
    from PIL.Image import Image

DECODE_ERRORS = (OSError, ValueError, SyntaxError, EOFError, IndexError, BadZipFile, zlib.error, struct.error)
"""The errors that Pillow and the readers of archives raise for damaged files."""

SKIP_HINT = "replace or delete it, or leave it out: `skip_corrupt: true`, or --skip-corrupt"
"""What a user can do about a damaged image."""

BYTE_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV")
"""Modes of Pillow with at most 8 bits per channel, which it converts to greyscale and to colours."""

_PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}
_DEEP_FORMATS = ("PNG", "PPM")
"""Formats in which the mode `I` means 16 bits, in some versions of Pillow."""

_MAX_REASON = 240
"""Largest number of characters of an exception in a message."""


class MissingDataError(EbmoodError):
    """Files of a set do not exist. The message says where to put them."""


class CorruptDataError(EbmoodError):
    """A file exists, but is damaged or has another format. The message names it."""


@dataclass(frozen=True)
class ImageSequence:
    """Images that are read one by one.

    Attributes:
        count: number of images.
        load: function of an index from 0 that returns the loaded image. It raises `CorruptDataError` with the name of
            the image.
        labels: class names of the images `(count,)`, str; None without labels.
        names: names of the images in messages; empty for their numbers from 1.
    """

    count: int
    load: "Callable[[int], Image]"
    labels: np.ndarray | None = None
    names: Sequence[str] = ()


@dataclass(frozen=True)
class Part:
    """One part of a set (training, test, or all images) before it is read.

    Attributes:
        description: name in messages and records.
        files: files whose names, sizes and modification times identify the content.
        read: function that opens the part. It raises `EbmoodError`.
        mixed: whether images may differ in size and mode.
    """

    description: str
    files: tuple[Path, ...]
    read: Callable[[], ImageSequence]
    mixed: bool = False


@dataclass(frozen=True)
class Parts:
    """The available parts of a set.

    Attributes:
        train: the official training part, or all images if there is no official test part.
        test: the official test part.
        official: whether these are the files of the original publication.
    """

    train: Part | None
    test: Part | None
    official: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether no part is available."""
        return self.train is None and self.test is None

    def map(self, function: Callable[[Part], Part]) -> "Parts":
        """Return these parts with a function applied to each available part."""
        changed = (part and function(part) for part in (self.train, self.test))
        return replace(self, **dict(zip(("train", "test"), changed, strict=True)))


def import_vision(module: str) -> Any:
    """Import a module of Pillow, torchvision or lmdb.

    The extras `images` and `vision` both install Pillow; `vision` installs the others.

    Raises:
        EbmoodError: it is not installed; the message contains the command to install it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        advice = "run: pip install 'ebmood[vision]'"
        if module.startswith("PIL"):
            advice = "run: pip install 'ebmood[images]' for photos, or 'ebmood[vision]' for studies of images"
        raise EbmoodError(f"images need a package that is not installed ({error}); {advice}") from error


def images_from_array(pixels: np.ndarray, labels: np.ndarray | None) -> ImageSequence:
    """Return a sequence of images in memory.

    Args:
        pixels: `(N, H, W)` greyscale or `(N, H, W, 3)` colour, uint8.
        labels: class names `(N,)`, or None.
    """
    from PIL import Image

    return ImageSequence(len(pixels), lambda i: Image.fromarray(np.ascontiguousarray(pixels[i])), labels)


def open_image(source: object, name: str, smallest_side: int | None = None) -> "Image":
    """Return the image in a file with 8 bits per channel, turned upright as its EXIF orientation says.

    Of an animation or of a file with several pages it is the first.

    Args:
        source: a path or an open binary file.
        name: name of the image in messages.
        smallest_side: pixels per side that are needed. A JPEG file is then decoded at 1/2, 1/4 or 1/8 of its size, if
            both sides keep at least twice as many. None for the whole size.

    Raises:
        CorruptDataError: the file is not a readable image, or `to_bytes` cannot convert it.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(source) as image:  # pyright: ignore[reportArgumentType]
            if smallest_side is not None:
                image.draft(None, (2 * smallest_side, 2 * smallest_side))  # pyright: ignore[reportArgumentType]
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return to_bytes(image, name)
    except (*DECODE_ERRORS, Image.DecompressionBombError) as error:
        # The message of Pillow has the address of a file in memory.
        is_unknown = isinstance(error, UnidentifiedImageError)
        reason = "empty, or of an unknown format" if is_unknown else short_reason(error)
        raise CorruptDataError(f"{name}: not a readable image ({reason}); {SKIP_HINT}") from error


def to_bytes(image: "Image", name: str) -> "Image":
    """Return an image with 8 bits per channel.

    Greyscale of 16 bits is scaled by its full range, so that 65,535 becomes 255. Pillow does the same for colours. The
    range of other numbers (32-bit integers, floating point) is unknown, and so are the colours of LAB.

    Args:
        image: an image of any mode, loaded.
        name: name of the image in messages.

    Raises:
        CorruptDataError: the image has another mode.
    """
    if image.mode in BYTE_MODES:
        return image
    if image.mode in _PREMULTIPLIED:
        return image.convert(_PREMULTIPLIED[image.mode])
    is_deep = image.mode.startswith("I;16") or (image.mode == "I" and image.format in _DEEP_FORMATS)
    if is_deep:
        from PIL import Image

        pixels = np.asarray(image).astype(np.float64)
        return Image.fromarray(np.rint(pixels.clip(0, 65535) * (255 / 65535)).astype(np.uint8))
    raise CorruptDataError(
        f"{name}: pixels of mode {image.mode} have no known range, so convert the image to 8 or 16 bits; {SKIP_HINT}"
    )


def short_reason(error: BaseException) -> str:
    r"""Return the message of an exception in one line. A long one is shortened in the middle, as its end has the cause.

    >>> short_reason(OSError("first\nsecond"))
    'first second'
    """
    text = " ".join(str(error).split()) or type(error).__name__
    half = _MAX_REASON // 2
    return text if len(text) <= _MAX_REASON else f"{text[:half].rstrip()} ... {text[-half:].lstrip()}"
