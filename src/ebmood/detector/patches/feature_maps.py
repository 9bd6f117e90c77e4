"""From images of any size to feature maps: read in threads, computed in batches, in bounded memory.

Feature maps are not cached: those of an image take 500 kB, a hundred times as much as its pooled features.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from ebmood.core.errors import InputError
from ebmood.core.interface import for_interface
from ebmood.data.images.readers import CorruptDataError, import_vision
from ebmood.embedders import EMBEDDERS, Embedder, ImageEmbedder
from ebmood.embedders.embedder import Bytes, Features
from ebmood.embedders.images import ImageItem, check_finite, read_images


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

        def submit(start: int) -> dict[int, Future[tuple[bytes, Bytes]]]:
            part = items[start : start + embedder.batch]
            return {k: pool.submit(item.pixels, embedder.image_size) for k, item in enumerate(part, start)}

        tasks = submit(0)
        try:
            for start in starts:
                current, tasks = tasks, submit(start + embedder.batch)
                read = {position: pixels for position, _, pixels in read_images(current, skip)}
                seen = min(start + embedder.batch, len(items))
                if read:
                    positions, pixels = list(read), np.stack(list(read.values()))
                    maps = embedder.feature_maps(pixels)
                    check_finite(embedder, maps, [items[position].name for position in positions])
                    yield MapChunk(positions, pixels, maps, seen)
        finally:
            for task in tasks.values():
                task.cancel()
