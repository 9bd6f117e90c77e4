"""IDX, the format of MNIST and its likes: four bytes of type and number of axes, the axes, the values."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from ebmood.core.errors import EbmoodError
from ebmood.data.images.readers import CorruptDataError, Part, Parts, Pictures, array_pictures, reason

_BYTES = 8
_IMAGES, _LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"


def read_idx(path: Path) -> np.ndarray:
    """The values of an IDX file of bytes, gzipped or not: uint8, with the file's axes.

    Raises:
        CorruptDataError: the file is damaged, cut short, or no IDX file of bytes.
        EbmoodError: it cannot be opened.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CorruptDataError(f"{path}: a damaged gzip file ({reason(error)}); get it again") from error
    except OSError as error:
        raise EbmoodError(f"{path}: cannot be read ({error.strerror or error})") from error
    if len(content) < 4 or content[:3] != bytes((0, 0, _BYTES)):
        raise CorruptDataError(f"{path}: is no IDX file of bytes (it must start with 00 00 08); get it again")
    axes = content[3]
    shape = tuple(np.frombuffer(content[4 : 4 + 4 * axes], dtype=">u4").tolist())
    expected = 4 + 4 * axes + int(np.prod(shape, dtype=np.int64))
    if len(shape) != axes or len(content) != expected:
        raise CorruptDataError(
            f"{path}: holds {len(content)} bytes where its head promises {expected}; get it again"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * axes).reshape(shape)


def idx_parts(
    folder: Path, names: dict[str, tuple[str, ...]], classes: tuple[str, ...] | None = None
) -> Parts:
    """The IDX files of images in a folder, with their files of labels where those are there.

    Args:
        folder: where they lie.
        names: for `train` and `test`, what the file of images may be called, without the ending
            `-images-idx3-ubyte` and `.gz`.
        classes: names of the classes by number; their numbers if None.
    """
    parts = {
        part: next(
            (idx_part(path, classes) for start in starts if (path := _either(folder / start, _IMAGES))), None
        )
        for part, starts in names.items()
    }
    return Parts(parts.get("train"), parts.get("test"))


def idx_part(images: Path, classes: tuple[str, ...] | None = None) -> Part:
    """A part that is an IDX file of images, and the file of labels that is called alike, if there is one."""
    labels = None
    if _IMAGES in images.name:
        start = images.name[: images.name.index(_IMAGES)].removesuffix("-")
        labels = _either(images.with_name(start), _LABELS)
    return Part(
        where=str(images),
        files=(images,) if labels is None else (images, labels),
        read=lambda: _read(images, labels, classes),
    )


def _either(start: Path, ending: str) -> Path | None:
    stem = f"{start.name}-{ending}" if start.name else ending
    candidates = (start.with_name(stem + suffix) for suffix in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _read(images: Path, labels: Path | None, classes: tuple[str, ...] | None) -> Pictures:
    pixels = read_idx(images)
    if pixels.ndim not in (3, 4) or pixels.size == 0 or (pixels.ndim == 4 and pixels.shape[3] != 3):
        raise CorruptDataError(
            f"{images}: values of shape {pixels.shape} are no images; they must be (N, H, W) or (N, H, W, 3)"
        )
    if labels is None:
        return array_pictures(pixels, None)
    numbers = read_idx(labels)
    if numbers.shape != (len(pixels),):
        raise CorruptDataError(
            f"{labels}: labels of shape {numbers.shape} for {len(pixels)} images; get both files again"
        )
    if classes is None:
        return array_pictures(pixels, numbers.astype(str))
    if numbers.max() >= len(classes):
        raise CorruptDataError(
            f"{labels}: holds class {numbers.max()} where there are {len(classes)} (from 0)"
        )
    return array_pictures(pixels, np.array(classes)[numbers])
