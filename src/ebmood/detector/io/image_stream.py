"""Read the images of a folder in chunks: each resized to one small shape, or its features."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from ebmood.core.errors import EbmoodError
from ebmood.core.interface import for_interface
from ebmood.data.images.image_folders import SUFFIXES, image_names, other_names
from ebmood.data.images.readers import SKIP_HINT, CorruptDataError, import_vision, open_image
from ebmood.data.images.resize import count_channels, resize_image
from ebmood.embedders import ImageEmbedder
from ebmood.embedders.embedder import Features
from ebmood.embedders.feature_cache import open_cache
from ebmood.embedders.images import ImageFile, embed_images

CHUNK_IMAGES = 512
"""Images in a chunk."""

FILE_COLUMN = "file"
"""The column of the scores that holds the path of the image."""


@dataclass(frozen=True)
class ImageChunk:
    """Some images of a folder.

    Attributes:
        names: n paths inside the folder.
        pixels: `(n, channels, size, size)` bytes.
        has_colour: whether any of the images is in colour.
    """

    names: list[str]
    pixels: NDArray[np.uint8]
    has_colour: bool


@dataclass(frozen=True)
class FeatureChunk:
    """The features of some images of a folder.

    Attributes:
        names: n paths inside the folder.
        features: `(n, E)`.
    """

    names: list[str]
    features: Features


@dataclass
class ImageStream:
    """All images in a folder and its subfolders, sorted by path. They are read one by one.

    Attributes:
        source: the folder, for messages.
        names: paths inside the folder.
        skip_corrupt: whether damaged images are skipped.
        skipped: one line for each image that was skipped so far.
        others: files of the folder that are not read, because their suffix is not that of an image.
        fraction: fraction of the images that is read so far, 0 to 1.
    """

    source: str
    names: tuple[str, ...]
    skip_corrupt: bool = False
    skipped: list[str] = field(default_factory=list)
    others: tuple[str, ...] = ()
    fraction: float | None = 0.0

    @classmethod
    def open(cls, folder: Path, skip_corrupt: bool = False) -> Self:
        """List the images of a folder.

        Raises:
            EbmoodError: there are none, or Pillow is not installed.
        """
        names = image_names(folder)
        if not names:
            raise EbmoodError(f"{folder}: contains no images (files that end in {', '.join(SUFFIXES)})")
        import_vision("PIL.Image")
        return cls(str(folder), tuple(names), skip_corrupt, others=tuple(other_names(folder)))

    def chunks(self, channels: int, size: int) -> Iterator[ImageChunk]:
        """Yield all images, each converted to `(channels, size, size)`.

        Raises:
            EbmoodError: an image is damaged, or no image can be read.
        """
        images_read = 0
        for start in range(0, len(self.names), CHUNK_IMAGES):
            names, images, has_colour = [], [], False
            for name in self.names[start : start + CHUNK_IMAGES]:
                image = self._read(name)
                if image is None:
                    continue
                has_colour = count_channels(image) == 3 or has_colour
                names.append(name)
                images.append(resize_image(image, channels, size))
            self.fraction = min(1.0, (start + CHUNK_IMAGES) / len(self.names))
            images_read += len(names)
            if names:
                yield ImageChunk(names, np.stack(images), has_colour)
        if not images_read:
            self.refuse_none()

    def features(self, embedder: ImageEmbedder) -> Iterator[FeatureChunk]:
        """Yield the features of all images. Those of images that were embedded before are in a cache.

        Raises:
            EbmoodError: an image is damaged, or has features that are not finite; or no image can be read.

        Warns:
            DataWarning: the cache cannot be opened.
        """
        items, images_read = self.items(), 0
        with open_cache(embedder) as cache:
            for chunk in embed_images(embedder, items, cache, self.skip):
                self.fraction = chunk.seen / len(items)
                images_read += len(chunk.positions)
                if chunk.positions:
                    yield FeatureChunk([self.names[k] for k in chunk.positions], chunk.features)
        if not images_read:
            self.refuse_none()

    def items(self) -> list[ImageFile]:
        """Return all images, unread."""
        return [ImageFile(Path(self.source) / name) for name in self.names]

    def refuse_none(self) -> NoReturn:
        """Raise the error that no image could be read."""
        raise EbmoodError(f"{self.source}: none of {len(self.names)} images can be read; {self.skipped[0]}")

    def _read(self, name: str):
        """Return an image, or None if it is damaged and `skip_corrupt` is set."""
        path = str(Path(self.source) / name)
        try:
            return open_image(path, path)
        except CorruptDataError as error:
            self.skip(error)
            return None

    def skip(self, error: CorruptDataError) -> None:
        """Add a damaged image to `skipped`, or raise an error if `skip_corrupt` is not set."""
        reason = str(error).removesuffix(SKIP_HINT).removesuffix("; ")
        if not self.skip_corrupt:
            raise EbmoodError(
                f"{reason}; replace or delete it, or skip damaged images with "
                f"{for_interface('--skip-corrupt', 'skip_corrupt=True')}"
            ) from error
        self.skipped.append(reason)


def file_texts(names: Iterable[str]) -> list[str]:
    """Return paths as valid text. They may contain bytes that are not."""
    return [name.encode(errors="backslashreplace").decode() for name in names]
