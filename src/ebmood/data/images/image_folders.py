"""Images as files: in a folder, or in a zip archive.

Both are laid out as `part/class/image`, `class/image`, `part/image` or `image`, with parts called `train` and
`test`; `val` counts as training. A folder round all of it does not matter. Files that are not called like
images, and hidden ones, are passed over.
"""

import io
import os
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

import numpy as np

from ebmood.core.errors import EbmoodError
from ebmood.data.images.readers import (
    MEND,
    UNREADABLE,
    CorruptDataError,
    Part,
    Parts,
    Pictures,
    opened,
    reason,
)

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
_TRAIN, _TEST = ("train", "training", "val", "valid", "validation"), ("test", "testing")
_PARTS: dict[str, str] = {**dict.fromkeys(_TRAIN, "train"), **dict.fromkeys(_TEST, "test")}


def folder_parts(folder: Path) -> Parts:
    """The images in a folder and the folders below it.

    Raises:
        EbmoodError: there are none, or they are laid out otherwise than the module's head says.
    """

    def part(name: str, entries: list[tuple[str, str | None]]) -> Part:
        names, labels = _columns(entries)
        files = tuple(folder / name for name in names)
        return Part(
            where=f"{folder} ({name})" if name != "all" else str(folder),
            files=files,
            read=lambda: Pictures(len(files), lambda i: opened(files[i], str(files[i])), labels, names),
        )

    return _parts(str(folder), image_names(folder), part)


def image_names(folder: Path) -> list[str]:
    """Paths inside `folder` of the images in it and in the folders below, ascending."""
    names = []
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = Path(here).relative_to(folder)
        names += [(inside / name).as_posix() for name in files]
    return sorted(name for name in names if _is_image(name))


def zip_parts(path: Path) -> Parts:
    """The images in a zip archive.

    Raises:
        CorruptDataError: the archive cannot be read.
        EbmoodError: it holds no images, or they are laid out otherwise than the module's head says.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    except (OSError, zipfile.BadZipFile) as error:
        raise CorruptDataError(
            f"{path}: is no zip archive that can be read ({reason(error)}); get it again"
        ) from error

    def part(name: str, entries: list[tuple[str, str | None]]) -> Part:
        names, labels = _columns(entries)

        def read() -> Pictures:
            archive = zipfile.ZipFile(path)
            return Pictures(len(names), lambda i: _member(archive, path, names[i]), labels, names)

        return Part(f"{path} ({name})" if name != "all" else str(path), (path,), read)

    return _parts(str(path), names, part)


def _member(archive: zipfile.ZipFile, path: Path, name: str):
    try:
        content = archive.read(name)
    except (*UNREADABLE, RuntimeError, NotImplementedError) as error:  # encrypted; packed in an unknown way
        raise CorruptDataError(f"{path}: {name} cannot be unpacked ({reason(error)}); {MEND}") from error
    return opened(io.BytesIO(content), f"{path}: {name}")


def _columns(entries: list[tuple[str, str | None]]) -> tuple[list[str], np.ndarray | None]:
    """The names, and the labels where all have one."""
    labels = [label for _, label in entries]
    return [name for name, _ in entries], None if None in labels else np.array(labels)


def _parts(
    where: str, names: Iterable[str], part: Callable[[str, list[tuple[str, str | None]]], Part]
) -> Parts:
    """Images sorted into parts and classes by their paths; `part` makes a part of (path, class) pairs."""
    paths = sorted(name for name in names if _is_image(name))
    if not paths:
        raise EbmoodError(f"{where}: holds no images (files that end in {', '.join(SUFFIXES)})")
    steps = {path: PurePosixPath(path).parts for path in paths}
    while _one_folder(list(steps.values())):
        steps = {path: inner[1:] for path, inner in steps.items()}
    named = all(len(inner) > 1 and inner[0].lower() in _PARTS for inner in steps.values())
    sorted_into: dict[str, list[tuple[str, str | None]]] = {}
    depths: dict[int, str] = {}
    for path, inner in steps.items():
        rest = inner[1:] if named else inner
        depths.setdefault(len(rest), path)
        label = rest[0] if len(rest) == 2 else None
        sorted_into.setdefault(_PARTS[inner[0].lower()] if named else "all", []).append((path, label))
    if set(depths) not in ({1}, {2}):
        shown = " and ".join(repr(path) for path in list(depths.values())[:2])
        raise EbmoodError(
            f"{where}: {shown} do not fit one layout; lay images out as part/class/image, class/image or image"
        )
    made = {name: part(name, entries) for name, entries in sorted_into.items()}
    return Parts(made.get("train") or made.get("all"), made.get("test"))


def _is_image(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(step.startswith(".") or step == "__MACOSX" for step in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden


def _one_folder(steps: list[tuple[str, ...]]) -> bool:
    """Whether all lie in one folder that is no part."""
    first = {inner[0] for inner in steps}
    return (
        all(len(inner) > 1 for inner in steps) and len(first) == 1 and next(iter(first)).lower() not in _PARTS
    )
