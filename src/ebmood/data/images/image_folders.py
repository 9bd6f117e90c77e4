"""Images as files in a folder or in a zip archive.

The layout is `part/class/image`, `class/image`, `part/image` or `image`, with the parts `train` and `test`; `val` is
added to the training part. Additional folders around the layout are ignored. Hidden files and files without the
suffix of an image are skipped.
"""

import io
import os
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

import numpy as np

from ebmood.core.errors import EbmoodError
from ebmood.data.images.readers import (
    DECODE_ERRORS,
    SKIP_HINT,
    CorruptDataError,
    ImageSequence,
    Part,
    Parts,
    open_image,
    short_reason,
)

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
_TRAIN_NAMES, _TEST_NAMES = ("train", "training", "val", "valid", "validation"), ("test", "testing")
_PARTS: dict[str, str] = {**dict.fromkeys(_TRAIN_NAMES, "train"), **dict.fromkeys(_TEST_NAMES, "test")}


def folder_parts(folder: Path) -> Parts:
    """Return the parts of the images in a folder and its subfolders.

    Raises:
        EbmoodError: there are no images, or their layout is not one of those of this module.
    """

    def make_part(name: str, entries: list[tuple[str, str | None]]) -> Part:
        names, labels = _columns(entries)
        files = tuple(folder / name for name in names)
        return Part(
            description=f"{folder} ({name})" if name != "all" else str(folder),
            files=files,
            read=lambda: ImageSequence(
                len(files), lambda i: open_image(files[i], str(files[i])), labels, names
            ),
        )

    return _parts(str(folder), image_names(folder), make_part)


def image_names(folder: Path) -> list[str]:
    """Return the paths of all images in a folder and its subfolders, relative to it, in ascending order."""
    return [name for name in _file_names(folder) if _is_image(name)]


def other_names(folder: Path) -> list[str]:
    """Return the paths of all files that `image_names` leaves out, without hidden ones."""
    return [name for name in _file_names(folder) if not _is_image(name) and not _is_hidden(name)]


def _file_names(folder: Path) -> list[str]:
    names = []
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        relative = Path(path).relative_to(folder)
        names += [(relative / name).as_posix() for name in files]
    return sorted(names)


def zip_parts(path: Path) -> Parts:
    """Return the parts of the images in a zip archive.

    Raises:
        CorruptDataError: the archive cannot be read.
        EbmoodError: there are no images, or their layout is not one of those of this module.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    except (OSError, zipfile.BadZipFile) as error:
        raise CorruptDataError(
            f"{path}: not a readable zip archive ({short_reason(error)}); download it again"
        ) from error

    def make_part(name: str, entries: list[tuple[str, str | None]]) -> Part:
        names, labels = _columns(entries)

        def read() -> ImageSequence:
            archive = zipfile.ZipFile(path)
            return ImageSequence(len(names), lambda i: _read_member(archive, path, names[i]), labels, names)

        return Part(f"{path} ({name})" if name != "all" else str(path), (path,), read)

    return _parts(str(path), names, make_part)


def _read_member(archive: zipfile.ZipFile, path: Path, name: str):
    try:
        content = archive.read(name)
    except (*DECODE_ERRORS, RuntimeError, NotImplementedError) as error:  # encrypted, or unknown compression
        raise CorruptDataError(
            f"{path}: {name} cannot be extracted ({short_reason(error)}); {SKIP_HINT}"
        ) from error
    return open_image(io.BytesIO(content), f"{path}: {name}")


def _columns(entries: list[tuple[str, str | None]]) -> tuple[list[str], np.ndarray | None]:
    """Return the names, and the labels if every image has one."""
    labels = [label for _, label in entries]
    return [name for name, _ in entries], None if None in labels else np.array(labels)


def _parts(
    description: str, names: Iterable[str], make_part: Callable[[str, list[tuple[str, str | None]]], Part]
) -> Parts:
    """Assign images to parts and classes by their paths. `make_part` returns the part of (path, class) pairs."""
    paths = sorted(name for name in names if _is_image(name))
    if not paths:
        raise EbmoodError(f"{description}: contains no images (files that end in {', '.join(SUFFIXES)})")
    segments = {path: PurePosixPath(path).parts for path in paths}
    while _have_common_folder(list(segments.values())):
        segments = {path: inner[1:] for path, inner in segments.items()}
    has_parts = all(len(inner) > 1 and inner[0].lower() in _PARTS for inner in segments.values())
    entries: dict[str, list[tuple[str, str | None]]] = {}
    examples: dict[int, str] = {}  # one path for each depth
    for path, inner in segments.items():
        rest = inner[1:] if has_parts else inner
        examples.setdefault(len(rest), path)
        label = rest[0] if len(rest) == 2 else None
        entries.setdefault(_PARTS[inner[0].lower()] if has_parts else "all", []).append((path, label))
    if set(examples) not in ({1}, {2}):
        two_paths = " and ".join(repr(path) for path in list(examples.values())[:2])
        raise EbmoodError(
            f"{description}: unknown layout of {two_paths}; use part/class/image, class/image, part/image or image"
        )
    parts = {name: make_part(name, part) for name, part in entries.items()}
    return Parts(parts.get("train") or parts.get("all"), parts.get("test"))


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES and not _is_hidden(name)


def _is_hidden(name: str) -> bool:
    return any(
        segment.startswith(".") or segment in ("__MACOSX", "Thumbs.db")
        for segment in PurePosixPath(name).parts
    )


def _have_common_folder(paths: list[tuple[str, ...]]) -> bool:
    """Return whether all paths start with the same folder, which is not the name of a part."""
    first = {path[0] for path in paths}
    return (
        all(len(path) > 1 for path in paths) and len(first) == 1 and next(iter(first)).lower() not in _PARTS
    )
