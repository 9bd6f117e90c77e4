import numpy as np
import pytest
from helpers.filter_embedder import FilterEmbedder, PooledEmbedder

from ebmood import EbmoodError
from ebmood.core.interface import shell_messages
from ebmood.data.images.readers import CorruptDataError
from ebmood.detector.patches.feature_maps import check_has_maps, map_images
from ebmood.embedders import EmbedderOptions
from ebmood.embedders.images import ImageFile, ImageInMemory

Image = pytest.importorskip("PIL.Image")

EMBEDDER = FilterEmbedder(EmbedderOptions(image_size=16))
IMAGES = np.random.default_rng(0).integers(0, 256, (9, 3, 16, 16), dtype=np.uint8)


def items(images):
    return [ImageInMemory(image, f"image {k}") for k, image in enumerate(images)]


def test_maps_are_those_of_the_embedder_in_order():
    chunks = list(map_images(EMBEDDER, items(IMAGES)))
    assert [chunk.positions for chunk in chunks] == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    assert [chunk.seen for chunk in chunks] == [4, 8, 9]
    np.testing.assert_array_equal(np.concatenate([c.maps for c in chunks]), EMBEDDER.feature_maps(IMAGES))
    np.testing.assert_array_equal(np.concatenate([c.pixels for c in chunks]), IMAGES)


def test_damaged_images_are_errors_or_are_skipped(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    mixed = [*items(IMAGES[:5]), ImageFile(tmp_path / "bad.png")]
    with pytest.raises(CorruptDataError, match=r"bad\.png"):
        list(map_images(EMBEDDER, mixed))
    skipped = []
    chunks = list(map_images(EMBEDDER, mixed, skipped.append))
    assert [position for chunk in chunks for position in chunk.positions] == [0, 1, 2, 3, 4]
    assert len(skipped) == 1


def test_an_image_without_finite_features_is_named():
    class Broken(FilterEmbedder):
        def _map_batch(self, images):
            maps = super()._map_batch(images)
            maps[images.mean((1, 2, 3)) == 7] = np.nan
            return maps

    images = IMAGES[:3].copy()
    images[1] = 7
    with pytest.raises(EbmoodError, match="image 1: filters returns NaN") as error:
        list(map_images(Broken(EmbedderOptions(image_size=16)), items(images)))
    assert "\n" not in str(error.value)


def test_embedders_without_maps_are_refused_with_a_list_of_those_that_have_them():
    assert check_has_maps(EMBEDDER) is EMBEDDER
    with pytest.raises(
        EbmoodError, match="pooled has no feature maps; give embed= one of: efficientnet-lite0"
    ):
        check_has_maps(PooledEmbedder())
    with shell_messages(), pytest.raises(EbmoodError, match="--where: no network is named; give --embed one"):
        check_has_maps(None)
