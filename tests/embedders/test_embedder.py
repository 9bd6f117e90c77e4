"""Batches of constant size, and what embedders refuse."""

import numpy as np
import pytest

from ebmood.core.errors import EbmoodError
from ebmood.embedders import EmbedderIdentity, ImageEmbedder


class Sums(ImageEmbedder):
    """The sum of the pixels. It records the sizes of its batches."""

    batch = 4

    def __init__(self):
        self.identity = EmbedderIdentity(
            name="sums", items="images", image_size=2, dimension=1, sha256="0" * 64
        )
        self.sizes = []

    def _embed_batch(self, images):
        self.sizes.append(len(images))
        return images.sum((1, 2, 3), dtype=np.float32)[:, None]


@pytest.mark.parametrize("count", [1, 4, 9])
def test_every_batch_has_the_same_size_and_padding_is_removed(count):
    images = np.random.default_rng(0).integers(0, 256, (count, 3, 2, 2), dtype=np.uint8)
    embedder = Sums()
    np.testing.assert_array_equal(embedder.embed(images)[:, 0], images.sum((1, 2, 3)))
    assert set(embedder.sizes) == {4}
    assert embedder.dimension == 1


@pytest.mark.parametrize(
    "images",
    [np.zeros((1, 3, 2, 3), np.uint8), np.zeros((1, 3, 2, 2)), np.zeros((1, 1, 2, 2), np.uint8),
     np.zeros((0, 3, 2, 2), np.uint8)],
)  # fmt: skip
def test_other_shapes_and_types_are_refused(images):
    with pytest.raises(EbmoodError, match=r"sums needs uint8 of shape \(n, 3, 2, 2\)"):
        Sums().embed(images)


def test_an_embedder_without_feature_maps_says_so():
    assert not Sums.has_feature_maps
    with pytest.raises(EbmoodError, match="sums: has no feature maps"):
        Sums().feature_maps(np.zeros((1, 3, 2, 2), np.uint8))
