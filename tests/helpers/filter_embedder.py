"""A tiny embedder with feature maps: means of colours and of differences of neighbours, over cells of 4 x 4 pixels."""

import numpy as np
import pytest

from ebmood.embedders import EmbedderIdentity, EmbedderOptions, ImageEmbedder, lookup
from ebmood.embedders.embedder import RESIZING

CELL = 4
FEATURES = 5


class FilterEmbedder(ImageEmbedder):
    NAME = "filters"
    ITEMS = "images"
    has_feature_maps = True
    batch = 4

    def __init__(self, options: EmbedderOptions = EmbedderOptions()):  # noqa: B008  # it is immutable
        self.identity = EmbedderIdentity(
            name=self.NAME,
            items="images",
            image_size=options.image_size or 64,
            pixels="bytes",
            dimension=FEATURES,
            resizing=RESIZING,
            sha256="f" * 64,
        )

    def _embed_batch(self, images):
        return self._map_batch(images).mean((2, 3))

    def _map_batch(self, images):
        x = np.ascontiguousarray(images).astype(np.float32)
        grey = x.mean(1, keepdims=True)
        dy = np.abs(np.diff(grey, axis=2, append=grey[:, :, -1:]))
        dx = np.abs(np.diff(grey, axis=3, append=grey[:, :, :, -1:]))
        planes = np.concatenate([x, dy, dx], 1)
        n, c, height, width = planes.shape
        cells = planes.reshape(n, c, height // CELL, CELL, width // CELL, CELL)
        return np.ascontiguousarray(cells.mean((3, 5)))


class PooledEmbedder(FilterEmbedder):
    """The same without feature maps."""

    NAME = "pooled"
    has_feature_maps = False


def name_embedders(patch: pytest.MonkeyPatch) -> None:
    """Let `open_embedder` know both by their names."""
    patch.setattr(lookup, "EMBEDDERS", (*lookup.EMBEDDERS, FilterEmbedder, PooledEmbedder))
