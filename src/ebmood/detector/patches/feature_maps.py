"""From images of any size to feature maps: read in threads, computed in batches, in bounded memory.

Feature maps are not cached: those of an image take 500 kB, a hundred times as much as its pooled features.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from ebmood.core.errors import EbmoodError, InputError
from ebmood.core.interface import for_interface
from ebmood.data.images.readers import CorruptDataError, import_vision
from ebmood.embedders import EMBEDDERS, Embedder, ImageEmbedder
from ebmood.embedders.embedder import Bytes, Features
from ebmood.embedders.images import ImageItem


@dataclass(frozen=True)
class MapChunk:
    """Some images with their feature maps.

    Attributes:
        positions: numbers of the images among all, ascending.
        pixels: `(n, 3, S, S)`, the images as the embedder receives them.
        maps: `(n, C, h, w)`.
        seen: number of images that were read so far, also skipped ones.
    """

    positions: list[int]
    pixels: Bytes
    maps: Features
    seen: int


def check_has_maps(embedder: Embedder | None) -> ImageEmbedder:
    """Return the embedder, if it has feature maps.

    Raises:
        InputError: it has none; the message lists those that have them.
    """
    if isinstance(embedder, ImageEmbedder) and embedder.has_feature_maps:
        return embedder
    known = ", ".join(kind.NAME for kind in EMBEDDERS if getattr(kind, "has_feature_maps", False))
    name = "no network is named" if embedder is None else f"{embedder.identity.name} has no feature maps"
    where = for_interface("--where", "PatchDetector")
    raise InputError(f"{where}: {name}; give {for_interface('--embed', 'embed=')} one of: {known}")


def map_images(
    embedder: ImageEmbedder,
    items: Sequence[ImageItem],
    skip: Callable[[CorruptDataError], None] | None = None,
) -> Iterator[MapChunk]:
    """Yield the feature maps of images, one batch of the embedder after the other.

    While the network computes a batch, threads read the next one.

    Args:
        embedder: an embedder with feature maps.
        items: the images.
        skip: called with the error of each damaged image, which is then left out; None to raise the error.

    Raises:
        CorruptDataError: an image is damaged.
        EbmoodError: an image cannot be used, or has features that are not finite; the message names it.
    """
    import_vision("PIL.Image")
    starts = range(0, len(items), embedder.batch)
    with ThreadPoolExecutor(max(1, torch.get_num_threads())) as pool:

        def submit(start: int) -> list[Future]:
            part = items[start : start + embedder.batch]
            return [pool.submit(item.pixels, embedder.image_size) for item in part]

        tasks = submit(0)
        try:
            for start in starts:
                current, tasks = tasks, submit(start + embedder.batch)
                read = _results(current, start, skip)
                seen = min(start + embedder.batch, len(items))
                if read:
                    positions, pixels = list(read), np.stack(list(read.values()))
                    maps = embedder.feature_maps(pixels)
                    _check_finite(embedder, maps, [items[position].name for position in positions])
                    yield MapChunk(positions, pixels, maps, seen)
        finally:
            for task in tasks:
                task.cancel()


def _results(
    tasks: Sequence[Future], start: int, skip: Callable[[CorruptDataError], None] | None
) -> dict[int, Bytes]:
    read = {}
    for position, task in enumerate(tasks, start):
        try:
            read[position] = task.result()[1]
        except CorruptDataError as error:
            if skip is None:
                raise
            skip(error)
    return read


def _check_finite(embedder: ImageEmbedder, maps: Features, names: Sequence[str]) -> None:
    finite = np.isfinite(maps).all(axis=(1, 2, 3))
    if not finite.all():
        raise EbmoodError(
            f"{names[int(finite.argmin())]}: {embedder.identity.name} returns NaN or infinity for this image; check "
            "the image and the network"
        )
