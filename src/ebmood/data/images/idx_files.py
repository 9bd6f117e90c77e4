"""IDX, the file format of MNIST: four bytes for the type and the number of axes, then the axes and the values."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from ebmood.core.errors import EbmoodError
from ebmood.data.images.readers import (
    CorruptDataError,
    ImageSequence,
    Part,
    Parts,
    images_from_array,
    short_reason,
)

_UINT8 = 8
_IMAGES, _LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"


def read_idx(path: Path) -> np.ndarray:
    """Return the values of an IDX file of bytes, uint8, with the axes of the file. The file may be gzipped.

    Raises:
        CorruptDataError: the file is damaged, truncated, or not an IDX file of bytes.
        EbmoodError: the file cannot be opened.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CorruptDataError(
            f"{path}: a damaged gzip file ({short_reason(error)}); download it again"
        ) from error
    except OSError as error:
        raise EbmoodError(f"{path}: cannot be read ({error.strerror or error})") from error
    if len(content) < 4 or content[:3] != bytes((0, 0, _UINT8)):
        raise CorruptDataError(
            f"{path}: not an IDX file of bytes (it must start with 00 00 08); download it again"
        )
    axes = content[3]
    shape = tuple(np.frombuffer(content[4 : 4 + 4 * axes], dtype=">u4").tolist())
    expected = 4 + 4 * axes + int(np.prod(shape, dtype=np.int64))
    if len(shape) != axes or len(content) != expected:
        raise CorruptDataError(
            f"{path}: has {len(content)} bytes, but its header requires {expected}; download it again"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * axes).reshape(shape)


def idx_parts(
    folder: Path, names: dict[str, tuple[str, ...]], classes: tuple[str, ...] | None = None
) -> Parts:
    """Return the IDX files of images in a folder, with their files of labels if these exist.

    Args:
        folder: the folder.
        names: possible names of the file of images for `train` and `test`, without the suffixes `-images-idx3-ubyte`
            and `.gz`.
        classes: class names by number; None to use the numbers.
    """
    parts = {
        part: next(
            (
                idx_part(path, classes)
                for prefix in prefixes
                if (path := _find_file(folder / prefix, _IMAGES))
            ),
            None,
        )
        for part, prefixes in names.items()
    }
    return Parts(parts.get("train"), parts.get("test"))


def idx_part(images: Path, classes: tuple[str, ...] | None = None) -> Part:
    """Return the part of an IDX file of images, with the corresponding file of labels if it exists."""
    labels = None
    if _IMAGES in images.name:
        prefix = images.name[: images.name.index(_IMAGES)].removesuffix("-")
        labels = _find_file(images.with_name(prefix), _LABELS)
    return Part(
        description=str(images),
        files=(images,) if labels is None else (images, labels),
        read=lambda: _read(images, labels, classes),
    )


def _find_file(prefix: Path, suffix: str) -> Path | None:
    """Return the file with this prefix and suffix, gzipped or not, or None."""
    stem = f"{prefix.name}-{suffix}" if prefix.name else suffix
    candidates = (prefix.with_name(stem + gz) for gz in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _read(images: Path, labels: Path | None, classes: tuple[str, ...] | None) -> ImageSequence:
    pixels = read_idx(images)
    if pixels.ndim not in (3, 4) or pixels.size == 0 or (pixels.ndim == 4 and pixels.shape[3] != 3):
        raise CorruptDataError(
            f"{images}: values of shape {pixels.shape} are not images; they must be (N, H, W) or (N, H, W, 3)"
        )
    if labels is None:
        return images_from_array(pixels, None)
    numbers = read_idx(labels)
    if numbers.shape != (len(pixels),):
        raise CorruptDataError(
            f"{labels}: labels of shape {numbers.shape} for {len(pixels)} images; download both files again"
        )
    if classes is None:
        return images_from_array(pixels, numbers.astype(str))
    if numbers.max() >= len(classes):
        raise CorruptDataError(
            f"{labels}: contains class {numbers.max()}, but there are {len(classes)} classes, counted from 0"
        )
    return images_from_array(pixels, np.array(classes)[numbers])
