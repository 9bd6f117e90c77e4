"""Images as arrays in an `.npz` file."""

import zipfile
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
from ebmood.data.table_files import class_name

_ALL = ("X", "y")
_TRAIN, _TEST = ("x_train", "y_train"), ("x_test", "y_test")


def npz_parts(path: Path) -> Parts:
    """Return the parts in a file with the arrays `X` and optionally `y`, or with Keras' names.

    Keras' names are `x_train`, `x_test` and optionally `y_train`, `y_test`. Images are uint8 of shape `(N, H, W)`,
    `(N, H, W, 1)`, `(N, H, W, 3)`, `(N, 1, H, W)` or `(N, 3, H, W)`.

    Raises:
        CorruptDataError: the file is damaged.
        EbmoodError: the file contains other arrays.
    """
    names = _array_names(path)
    if _ALL[0] in names:
        return Parts(_part(path, _ALL, names), None)
    if _TRAIN[0] in names or _TEST[0] in names:
        train, test = (
            _part(path, arrays, names) if arrays[0] in names else None for arrays in (_TRAIN, _TEST)
        )
        return Parts(train, test)
    raise EbmoodError(
        f"{path}: no array `X`, and no arrays `x_train` and `x_test`; the arrays are {', '.join(names) or 'none'}"
    )


def _array_names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile) as error:
        raise CorruptDataError(f"{path}: not a readable .npz file ({short_reason(error)})") from error


def _part(path: Path, arrays: tuple[str, str], names: list[str]) -> Part:
    x, y = arrays
    return Part(f"{path}, array {x}", (path,), lambda: _read(path, x, y if y in names else None))


def _read(path: Path, x: str, y: str | None) -> ImageSequence:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            pixels, labels = arrays[x], None if y is None else arrays[y]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CorruptDataError(f"{path}: array {x!r} cannot be read ({short_reason(error)})") from error
    if pixels.dtype != np.uint8:
        raise EbmoodError(f"{path}: array {x!r} is {pixels.dtype}; images must be bytes (uint8, 0 to 255)")
    if pixels.ndim == 4 and pixels.shape[-1] not in (1, 3) and pixels.shape[1] in (1, 3):
        pixels = pixels.transpose(0, 2, 3, 1)
    if pixels.ndim == 4 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.size == 0 or not (pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[-1] == 3)):
        raise EbmoodError(
            f"{path}: array {x!r} has shape {pixels.shape}; images must be (N, H, W), (N, H, W, 1 or 3) or "
            "(N, 1 or 3, H, W)"
        )
    if labels is None:
        return images_from_array(pixels, None)
    if labels.size != len(pixels):
        raise EbmoodError(f"{path}: array {y!r} has {labels.size} labels for {len(pixels)} images")
    return images_from_array(pixels, np.array([class_name(label) for label in labels.ravel().tolist()]))
