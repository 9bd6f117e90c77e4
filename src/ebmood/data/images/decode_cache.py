"""Cache of decoded images: one memory-mapped array per part in a cache folder, so that images are decoded only once.

The entry of a part is a folder `<digest>/` with `pixels.npy` (uint8, `(N, C, H, W)`), `labels.npy` (if there are
labels) and `about.json`. The digest depends on the names, sizes and modification times of the source files, and on
all settings of the conversion. An entry gets its name when it is complete.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple
from uuid import uuid4

import numpy as np
from pydantic import ValidationError

from ebmood.core.errors import EbmoodError
from ebmood.core.settings import Settings, digest
from ebmood.data.images.readers import CorruptDataError, ImageSequence, MissingDataError, Part, import_vision
from ebmood.data.images.resize import RULE, count_channels, resize_image

_MAX_SHOWN = 3
"""Number of damaged images that a note lists."""


class About(Settings):
    """The content of `about.json`.

    Attributes:
        where: description of the part.
        content: shape of the images, and SHA-256 of pixels and labels.
        skipped: one line for each damaged image that was left out.
    """

    where: str
    content: str
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class DecodedPart:
    """The images of a part in the shape of the in-distribution set.

    Attributes:
        x: images `(N, C, H, W)`, uint8, memory-mapped, read-only.
        labels: class names `(N,)`, or None.
        about: origin of the images.
    """

    x: np.ndarray
    labels: np.ndarray | None
    about: About

    @property
    def note(self) -> str | None:
        """A remark for readers of the results on images that were left out, or None."""
        skipped = self.about.skipped
        if not skipped:
            return None
        reasons = "; ".join(skipped[:_MAX_SHOWN]) + ("; ..." if len(skipped) > _MAX_SHOWN else "")
        return f"{len(skipped)} damaged image{'s' * (len(skipped) > 1)} left out ({reasons})"


def load_decoded(part: Part, size: int, channels: int | None, cache: Path, skip_corrupt: bool) -> DecodedPart:
    """Return the images of a part from the cache. Decode them first if the cache does not have them.

    Args:
        part: the part.
        size: height and width in pixels.
        channels: 1 or 3; None for the channels of the first image, or 3 for a mixed part.
        cache: folder of the entries, created if it does not exist.
        skip_corrupt: whether damaged images are left out and counted, instead of an error.

    Raises:
        CorruptDataError: a file is damaged.
        EbmoodError: images differ in size or mode and the part is not mixed; a file cannot be read; or the cache
            cannot be written (the incomplete entry is removed).
    """
    entry = cache / _key(part, size, channels, skip_corrupt)
    with contextlib.suppress(OSError, ValueError, ValidationError):  # missing or damaged entry
        return _open_entry(entry)
    import_vision("PIL.Image")
    images = part.read()
    if images.count == 0:
        raise EbmoodError(f"{part.description}: contains no images")
    with _create_entry(entry) as folder:
        _write_entry(part, images, size, channels, folder, skip_corrupt)
    return _open_entry(entry)


def _key(part: Part, size: int, channels: int | None, skip_corrupt: bool) -> str:
    files = []
    for path in part.files:
        try:
            stat = path.stat()
        except OSError as error:
            raise MissingDataError(
                f"{path}: cannot be found or read ({error.strerror or error}); download the set again"
            ) from error
        files.append((str(path), stat.st_size, stat.st_mtime_ns))
    return digest([part.description, files, RULE, size, channels, part.mixed, skip_corrupt])


def _open_entry(entry: Path) -> DecodedPart:
    about = About.model_validate_json((entry / "about.json").read_bytes())
    labels = entry / "labels.npy"
    return DecodedPart(
        np.load(entry / "pixels.npy", mmap_mode="r"), np.load(labels) if labels.exists() else None, about
    )


@contextmanager
def _create_entry(entry: Path) -> Iterator[Path]:
    """Yield a temporary folder. Rename it to `entry` at the end, or remove it on an exception."""
    partial = entry.with_name(f".{entry.name}.{uuid4().hex[:16]}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        shutil.rmtree(entry, ignore_errors=True)
        try:
            partial.rename(entry)
        except OSError:
            if not entry.is_dir():  # otherwise another process has written the same entry
                raise
    except OSError as error:
        raise EbmoodError(
            f"{entry.parent}: decoded images cannot be written ({error.strerror or error}); free disk space, or "
            "choose another folder by `cache` or EBMOOD_CACHE (incomplete files were removed)"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_entry(
    part: Part, images: ImageSequence, size: int, channels: int | None, folder: Path, skip_corrupt: bool
) -> None:
    # Images are written to the file one by one: with a memory-mapped file, a full disk would kill the process.
    decoded: list[int] = []
    skipped: list[str] = []
    first: _Format | None = None
    sha = hashlib.sha256()
    with (folder / "pixels.npy").open("wb") as file:
        for i in range(images.count):
            try:
                image = images.load(i)
            except CorruptDataError as error:
                if not skip_corrupt:
                    raise
                skipped.append(str(error).partition("; ")[0])
                continue
            name = f"{part.description}: {images.names[i] if images.names else f'image {i + 1}'}"
            image_format = _Format(*image.size, count_channels(image))
            if first is None:
                first = image_format
                channels = channels or (3 if part.mixed else image_format.channels)
                header_size = _write_header(file, images.count, channels, size)
            if image_format != first and not part.mixed:
                raise EbmoodError(
                    f"{name} is {image_format}, but the images before it are {first}; give all images the same "
                    "size and mode, or set `mixed: true` to resize each image"
                )
            content = np.ascontiguousarray(resize_image(image, channels or 1, size)).tobytes()
            sha.update(content)
            file.write(content)
            decoded.append(i)
        if not decoded:
            raise CorruptDataError(
                f"{part.description}: none of {images.count} images can be read ({skipped[0]})"
            )
        if skipped:
            file.seek(0)
            # NumPy pads the header, so that a smaller count does not change its size.
            assert _write_header(file, len(decoded), channels or 1, size) == header_size
    if images.labels is not None:
        labels = images.labels[decoded]
        np.save(folder / "labels.npy", labels)
        sha.update("\n".join(labels.tolist()).encode())
    about = About(
        where=part.description,
        content=f"{channels}x{size}x{size} {sha.hexdigest()}",
        skipped=tuple(skipped),
    )
    (folder / "about.json").write_text(about.model_dump_json(), encoding="utf-8")


def _write_header(file: BinaryIO, count: int, channels: int, size: int) -> int:
    """Write the header of an `.npy` file, and return its size in bytes."""
    shape = (count, channels, size, size)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.tell()


class _Format(NamedTuple):
    """Size and number of channels of an image."""

    width: int
    height: int
    channels: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {'greyscale' if self.channels == 1 else 'colour'}"
