"""Decoded images: one memory-mapped array a part, kept in a cache folder, so that images are decoded once.

A part's entry is a folder `<digest>/` with `pixels.npy` (uint8, `(N, C, H, W)`), `labels.npy` where there are
labels, and `about.json`. The digest is of the source files' names, sizes and times of change, and of all that
shapes the pixels. An entry has its name only once it is whole.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import numpy as np
from pydantic import ValidationError

from ebmood.core.errors import EbmoodError
from ebmood.core.settings import Settings, digest
from ebmood.data.images.readers import CorruptDataError, MissingDataError, Part, Pictures, vision
from ebmood.data.images.resize import RULE, channels_of, shaped

_SHOWN = 3


class About(Settings):
    """What is known of an entry besides its arrays.

    Attributes:
        where: the part.
        content: SHA-256 of pixels and labels.
        skipped: what was wrong with each image that was left out.
    """

    where: str
    content: str
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class Decoded:
    """A part in the shape of the in-distribution set.

    Attributes:
        x: `(N, C, H, W)`, uint8, mapped from the disk, read-only.
        labels: class names `(N,)`, or None.
        about: where it came from.
    """

    x: np.ndarray
    labels: np.ndarray | None
    about: About

    @property
    def note(self) -> str | None:
        """What a reader of the results should know of images left out."""
        skipped = self.about.skipped
        if not skipped:
            return None
        shown = "; ".join(skipped[:_SHOWN]) + ("; ..." if len(skipped) > _SHOWN else "")
        return f"{len(skipped)} damaged image{'s' * (len(skipped) > 1)} left out ({shown})"


def decoded(part: Part, size: int, channels: int | None, cache: Path, skip_corrupt: bool) -> Decoded:
    """The images of a part, from the cache where they are there.

    Args:
        part: what to read.
        size: of the sides, in pixels.
        channels: 1 or 3; None for the part's own: its first image's, or 3 if it is mixed.
        cache: folder of entries; made where it is missing.
        skip_corrupt: whether damaged images are left out and counted.

    Raises:
        CorruptDataError: a file is damaged.
        EbmoodError: images differ in size or mode and the part is not mixed; a file cannot be read; the cache
            cannot be written (what was written of it is removed).
    """
    entry = cache / _key(part, size, channels, skip_corrupt)
    with contextlib.suppress(OSError, ValueError, ValidationError):  # not there, or cut short by someone
        return _mapped(entry)
    vision("PIL.Image")
    pictures = part.read()
    if pictures.count == 0:
        raise EbmoodError(f"{part.where}: holds no images")
    with _made(entry) as folder:
        _write(part, pictures, size, channels, folder, skip_corrupt)
    return _mapped(entry)


def _key(part: Part, size: int, channels: int | None, skip_corrupt: bool) -> str:
    files = []
    for path in part.files:
        try:
            stat = path.stat()
        except OSError as error:
            raise MissingDataError(
                f"{path}: cannot be found or read ({error.strerror or error}); get the set again"
            ) from error
        files.append((str(path), stat.st_size, stat.st_mtime_ns))
    return digest([part.where, files, RULE, size, channels, part.mixed, skip_corrupt])


def _mapped(entry: Path) -> Decoded:
    about = About.model_validate_json((entry / "about.json").read_bytes())
    labels = entry / "labels.npy"
    return Decoded(
        np.load(entry / "pixels.npy", mmap_mode="r"), np.load(labels) if labels.exists() else None, about
    )


@contextmanager
def _made(entry: Path) -> Iterator[Path]:
    """A folder to write an entry into, renamed to `entry` at the end, removed if anything goes wrong."""
    partial = entry.with_name(f".{entry.name}.{uuid4().hex[:16]}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        shutil.rmtree(entry, ignore_errors=True)
        try:
            partial.rename(entry)
        except OSError:
            if not entry.is_dir():  # otherwise another process was first, with the same pixels
                raise
    except OSError as error:
        raise EbmoodError(
            f"{entry.parent}: decoded images cannot be kept there ({error.strerror or error}); make room, or "
            "name another folder by `cache` or EBMOOD_CACHE (nothing partial is left)"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(
    part: Part, pictures: Pictures, size: int, channels: int | None, folder: Path, skip_corrupt: bool
) -> None:
    # Row by row into the file and not through a memory map, in which a full disk would kill the process.
    kept, skipped = [], []
    like: tuple[tuple[int, int], int] | None = None
    sha = hashlib.sha256()
    with (folder / "pixels.npy").open("wb") as file:
        for i in range(pictures.count):
            try:
                image = pictures.picture(i)
            except CorruptDataError as error:
                if not skip_corrupt:
                    raise
                skipped.append(str(error).partition("; ")[0])
                continue
            name = f"{part.where}: {pictures.names[i] if pictures.names else f'image {i + 1}'}"
            own = (image.size, channels_of(image, name))
            if like is None:
                like = own
                channels = channels or (3 if part.mixed else own[1])
                begin = _header(file, pictures.count, channels, size)
            if own != like and not part.mixed:
                raise EbmoodError(
                    f"{name} is {_form(own)} where those before it are {_form(like)}; make them alike, or set "
                    "`mixed: true` to bring each to shape by itself"
                )
            row = np.ascontiguousarray(shaped(image, channels or 1, size)).tobytes()
            sha.update(row)
            file.write(row)
            kept.append(i)
        if not kept:
            raise CorruptDataError(
                f"{part.where}: none of {pictures.count} images can be read ({skipped[0]})"
            )
        if skipped:
            file.seek(0)
            assert (
                _header(file, len(kept), channels or 1, size) == begin
            )  # NumPy leaves room for a number to grow
    if pictures.labels is not None:
        labels = pictures.labels[kept]
        np.save(folder / "labels.npy", labels)
        sha.update("\n".join(labels.tolist()).encode())
    about = About(
        where=part.where, content=f"{channels}x{size}x{size} {sha.hexdigest()}", skipped=tuple(skipped)
    )
    (folder / "about.json").write_text(about.model_dump_json(), encoding="utf-8")


def _header(file: BinaryIO, count: int, channels: int, size: int) -> int:
    """Write the head of an `.npy` file, and return its length."""
    shape = (count, channels, size, size)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.tell()


def _form(own: tuple[tuple[int, int], int]) -> str:
    (width, height), channels = own
    return f"{width}x{height} {'greyscale' if channels == 1 else 'colour'}"
