"""Images as they lie on the disk: what identifies a part of a set, and how its images are read one by one."""

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

UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, IndexError, BadZipFile, zlib.error, struct.error)
"""What Pillow and the archives' readers raise on damaged files."""


class MissingDataError(EbmoodError):
    """Files of a set are not there; the message says what to put where."""


class CorruptDataError(EbmoodError):
    """A file is there, but damaged or not what it should be; the message names it."""


@dataclass(frozen=True)
class Pictures:
    """Images that can be read one by one.

    Attributes:
        count: how many.
        picture: the image of a number from 0, loaded; raises `CorruptDataError` that names it.
        labels: the class name of each, `(count,)`, str; None where there are no labels.
        names: what messages call each; their numbers from 1 if empty.
    """

    count: int
    picture: "Callable[[int], Image]"
    labels: np.ndarray | None = None
    names: Sequence[str] = ()


@dataclass(frozen=True)
class Part:
    """One part of a set (its training part, its test part, or all of it), not read yet.

    Attributes:
        where: what messages and records call it.
        files: the files whose names, sizes and times of change tell whether it is still the same.
        read: opens it. Raises `EbmoodError`.
        mixed: whether its images may differ in size and mode.
    """

    where: str
    files: tuple[Path, ...]
    read: Callable[[], Pictures]
    mixed: bool = False


@dataclass(frozen=True)
class Parts:
    """The parts of a set that are there.

    Attributes:
        train: the official training part; or all images, where there is no official test part.
        test: the official test part.
        official: whether these are the files that the set's makers hand out.
    """

    train: Part | None
    test: Part | None
    official: bool = False

    def each(self, change: Callable[[Part], Part]) -> "Parts":
        """These parts with a change made to each that is there."""
        changed = (part and change(part) for part in (self.train, self.test))
        return replace(self, **dict(zip(("train", "test"), changed, strict=True)))


def vision(module: str) -> Any:
    """A module of torchvision, Pillow or lmdb, which come with the extra `vision`.

    Raises:
        EbmoodError: it is not installed; the message says how to get it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise EbmoodError(
            f"images need the extra `vision` ({error}); get it with: pip install 'ebmood[vision]'"
        ) from error


def array_pictures(pixels: np.ndarray, labels: np.ndarray | None) -> Pictures:
    """Images that are in memory.

    Args:
        pixels: `(N, H, W)` greyscale or `(N, H, W, 3)` colour, uint8.
        labels: `(N,)`, class names, or None.
    """
    from PIL import Image

    return Pictures(len(pixels), lambda i: Image.fromarray(np.ascontiguousarray(pixels[i])), labels)


def opened(source: object, name: str) -> "Image":
    """The image in the file (or open file) `source`, loaded.

    Raises:
        CorruptDataError: it cannot be read; the message calls it `name`.
    """
    from PIL import Image

    try:
        with Image.open(source) as image:  # pyright: ignore[reportArgumentType]
            image.load()
            return image
    except (*UNREADABLE, Image.DecompressionBombError) as error:
        raise CorruptDataError(f"{name}: is no image that can be read ({reason(error)}); {MEND}") from error


_LONG = 240
"""Characters of an exception's message that are told."""

MEND = "replace or delete it, or leave it out: `skip_corrupt: true`, or --skip-corrupt"


def reason(error: BaseException) -> str:
    """An exception's message in one line; of a long one the beginning and the end, where the cause stands."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said if len(said) <= _LONG else f"{said[: _LONG // 2].rstrip()} ... {said[-_LONG // 2 :].lstrip()}"
