"""From images of any size to features: read and resized in threads, embedded in batches, in bounded memory.

Images are resized by the rule of `ebmood.data.images.resize`. A JPEG file that is much larger than needed is decoded at
a fraction of its size, which is two or more times that of the result. So large photos take a quarter of the time.
"""

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ebmood.core.errors import EbmoodError, InputError
from ebmood.data.images.readers import CorruptDataError, import_vision, open_image, to_bytes
from ebmood.data.images.resize import resize_image
from ebmood.embedders.embedder import Bytes, Features, ImageEmbedder
from ebmood.embedders.feature_cache import FeatureCache

if TYPE_CHECKING:
    from PIL.Image import Image

CHUNK_IMAGES = 256
"""Images that are resized before their features are returned."""


@dataclass(frozen=True)
class EncodedImage:
    """The content of an image file, such as a JPEG file, in memory.

    Attributes:
        content: the content.
        name: name in messages.
    """

    content: bytes
    name: str

    def key(self, size: int) -> bytes:
        """Return a digest of the content. It says nothing about `size`, which belongs to the embedder."""
        return hashlib.sha256(self.content).digest()

    def pixels(self, size: int) -> tuple[bytes, Bytes]:
        """Return the key, and the image as `(3, size, size)`.

        Raises:
            CorruptDataError: the content is not an image that `open_image` reads.
        """
        image = open_image(io.BytesIO(self.content), self.name, smallest_side=size)
        return self.key(size), _resized(image, self.name, size)


@dataclass(frozen=True)
class ImageFile:
    """An image in a file.

    Attributes:
        path: the file.
    """

    path: Path

    @property
    def name(self) -> str:
        """Name in messages."""
        return str(self.path)

    def key(self, size: int) -> bytes:
        """Return a digest of the content. It says nothing about `size`, which belongs to the embedder."""
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest()
        except OSError as error:
            raise EbmoodError(f"{self.path}: cannot be read ({error.strerror or error})") from error

    def pixels(self, size: int) -> tuple[bytes, Bytes]:
        """Return the key, and the image as `(3, size, size)`.

        Raises:
            CorruptDataError: the file is not an image that `open_image` reads.
            EbmoodError: it cannot be read.
        """
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise EbmoodError(f"{self.path}: cannot be read ({error.strerror or error})") from error
        return EncodedImage(content, self.name).pixels(size)


@dataclass(frozen=True)
class ImageInMemory:
    """An image in memory: of Pillow, or an array `(3, H, W)` of bytes.

    Attributes:
        image: the image.
        name: name in messages.
    """

    image: "Image | Bytes"
    name: str

    def key(self, size: int) -> bytes:
        """Return a digest of the resized image."""
        return self.pixels(size)[0]

    def pixels(self, size: int) -> tuple[bytes, Bytes]:
        """Return the key, and the image as `(3, size, size)`."""
        if isinstance(self.image, np.ndarray):
            from PIL import Image

            image = Image.fromarray(np.ascontiguousarray(self.image.transpose(1, 2, 0)))
        else:
            image = self.image
        resized = _resized(image, self.name, size)
        return hashlib.sha256(b"pixels" + np.ascontiguousarray(resized).tobytes()).digest(), resized


ImageItem = ImageFile | ImageInMemory | EncodedImage


@dataclass(frozen=True)
class EmbeddedChunk:
    """The features of some images.

    Attributes:
        positions: numbers of the images among all, ascending.
        features: `(n, E)`.
        seen: number of images that were read so far, also skipped ones.
    """

    positions: list[int]
    features: Features
    seen: int


def embed_images(
    embedder: ImageEmbedder,
    items: Sequence[ImageItem],
    cache: FeatureCache | None = None,
    skip: Callable[[CorruptDataError], None] | None = None,
    threads: int | None = None,
) -> Iterator[EmbeddedChunk]:
    """Embed images chunk by chunk. While the network computes, threads read the next images.

    Args:
        embedder: the embedder.
        items: the images.
        cache: where features are looked up and stored; None for none.
        skip: called with the error of each damaged image, which is then left out; None to raise the error.
        threads: number of threads that read; None for that of PyTorch.

    Raises:
        CorruptDataError: an image is damaged.
        EbmoodError: an image cannot be used, or has features that are not finite; the message names it.
    """
    import torch

    import_vision("PIL.Image")
    with ThreadPoolExecutor(threads or max(1, torch.get_num_threads())) as pool:
        for start in range(0, len(items), CHUNK_IMAGES):
            chunk = items[start : start + CHUNK_IMAGES]
            known: dict[int, Features] = {}
            if cache is not None:
                keys = list(pool.map(lambda item: item.key(embedder.image_size), chunk))
                found = cache.find(keys)
                known = {place: found[key] for place, key in enumerate(keys) if key in found}
            missing = [place for place in range(len(chunk)) if place not in known]
            known |= _embed_chunk(embedder, chunk, missing, cache, skip, pool)
            places = sorted(known)
            features = (
                np.stack([known[place] for place in places])
                if places
                else np.zeros((0, embedder.dimension), np.float32)
            )
            yield EmbeddedChunk([start + place for place in places], features, start + len(chunk))


def _embed_chunk(
    embedder: ImageEmbedder,
    chunk: Sequence[ImageItem],
    places: Sequence[int],
    cache: FeatureCache | None,
    skip: Callable[[CorruptDataError], None] | None,
    pool: ThreadPoolExecutor,
) -> dict[int, Features]:
    """Return the features of some images of a chunk, by their place, without those that were skipped."""
    results: dict[int, Features] = {}
    new: dict[bytes, Features] = {}
    batch: list[tuple[int, bytes, Bytes]] = []

    def finish() -> None:
        features = embedder.embed(np.stack([pixels for _, _, pixels in batch]))
        check_finite(embedder, features, [chunk[place].name for place, _, _ in batch])
        for (place, key, _), values in zip(batch, features, strict=True):
            results[place] = new[key] = values
        batch.clear()

    tasks = {place: pool.submit(chunk[place].pixels, embedder.image_size) for place in places}
    try:
        for image in read_images(tasks, skip):
            batch.append(image)
            if len(batch) == embedder.batch:
                finish()
        if batch:
            finish()
    finally:
        for task in tasks.values():
            task.cancel()
    if cache is not None and new:
        cache.add(new)
    return results


def read_images(
    tasks: Mapping[int, Future[tuple[bytes, Bytes]]], skip: Callable[[CorruptDataError], None] | None
) -> Iterator[tuple[int, bytes, Bytes]]:
    """Yield the place, the key and the pixels of images that threads read, in the order of the tasks.

    Args:
        tasks: calls of `ImageItem.pixels`, by the place of the image.
        skip: called with the error of each damaged image, which is then left out; None to raise the error.
    """
    for place, task in tasks.items():
        try:
            key, pixels = task.result()
        except CorruptDataError as error:
            if skip is None:
                raise
            skip(error)
            continue
        yield place, key, pixels


def check_finite(embedder: ImageEmbedder, features: Features, names: Sequence[str]) -> None:
    """Check the features of images, or their feature maps: `(n, ...)`.

    Raises:
        InputError: a value is NaN or infinite; the message names the image.
    """
    finite = np.isfinite(features).all(axis=tuple(range(1, features.ndim)))
    if not finite.all():
        raise InputError(
            f"{names[int(finite.argmin())]}: {embedder.identity.name} returns NaN or infinity for this image; check "
            "the image and the network"
        )


def read_items(X: Any) -> list[ImageItem]:
    """Return the images of X.

    Args:
        X: an array of bytes `(N, 3, H, W)`, or a sequence of paths, images of Pillow, or arrays of bytes `(3, H, W)`.

    Raises:
        InputError: X is something else, or empty.
    """
    expected = "give a list of paths or of images of Pillow, or an array of bytes (N, 3, H, W)"
    if isinstance(X, (str, bytes, Path)) or not hasattr(X, "__len__") or not hasattr(X, "__getitem__"):
        raise InputError(f"X: {type(X).__name__} is not a sequence of images; {expected}")
    if not len(X):
        raise InputError(f"X: no images; {expected}")
    return [_item(X[index], index, expected) for index in range(len(X))]


def _item(value: Any, index: int, expected: str) -> ImageItem:
    if isinstance(value, (str, Path)):
        return ImageFile(Path(value).expanduser())
    image = import_vision("PIL.Image").Image
    if isinstance(value, image):
        return ImageInMemory(value, f"image {index}")
    if hasattr(value, "detach"):  # a tensor
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3 and value.shape[0] == 3:
        return ImageInMemory(value, f"image {index}")
    kind = f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
    raise InputError(f"X: item {index} is {kind}; {expected}")


def _resized(image: "Image", name: str, size: int) -> Bytes:
    return resize_image(to_bytes(image, name), 3, size)
