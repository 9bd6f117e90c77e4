"""From files of any size to features, in order, with a cache and in threads."""

from pathlib import Path

import numpy as np
import pytest

from ebmood.core.errors import EbmoodError
from ebmood.data.images.readers import CorruptDataError
from ebmood.data.images.resize import resize_image
from ebmood.embedders import EmbedderIdentity, ImageEmbedder
from ebmood.embedders.feature_cache import FeatureCache
from ebmood.embedders.images import CHUNK_IMAGES, ImageFile, ImageInMemory, embed_images, read_items

Image = pytest.importorskip("PIL.Image")

SIZE = 4


class Flat(ImageEmbedder):
    """The pixels themselves, as features. It counts the images it receives."""

    def __init__(self):
        self.identity = EmbedderIdentity(
            name="flat", items="images", image_size=SIZE, dimension=3 * SIZE**2, sha256="0" * 64
        )
        self.images = 0

    def embed(self, images):
        self.images += len(images)
        return super().embed(images)

    def _embed_batch(self, images):
        return images.reshape(len(images), -1).astype(np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[ImageFile]:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(CHUNK_IMAGES + 9):
        pixels = rng.integers(0, 256, (SIZE + number % 5, SIZE + number % 3, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return [ImageFile(path) for path in sorted(folder.iterdir())]


def collect(embedder, items, *more, **options):
    chunks = list(embed_images(embedder, items, *more, **options))
    return np.concatenate([chunk.features for chunk in chunks]), [k for c in chunks for k in c.positions]


def expected(path: Path) -> np.ndarray:
    return resize_image(Image.open(path), 3, SIZE).reshape(-1)


@pytest.mark.parametrize("threads", [1, 3])
def test_features_are_in_the_order_of_the_files(files, threads):
    features, positions = collect(Flat(), files, threads=threads)
    assert positions == list(range(len(files)))
    np.testing.assert_array_equal(features, [expected(file.path) for file in files])


def test_only_new_images_are_embedded(files, tmp_path):
    embedder = Flat()
    with FeatureCache(embedder.identity, folder=tmp_path) as cache:
        first, _ = collect(embedder, files[:40], cache)
        assert embedder.images == 40
        second, _ = collect(embedder, files[:50], cache)
        assert embedder.images == 50
        np.testing.assert_array_equal(second[:40], first)
        np.testing.assert_array_equal(second, collect(Flat(), files[:50])[0])


def test_a_renamed_copy_is_found_and_a_changed_file_is_not(files, tmp_path):
    embedder, copy = Flat(), tmp_path / "copy.png"
    copy.write_bytes(files[0].path.read_bytes())
    with FeatureCache(embedder.identity, folder=tmp_path) as cache:
        collect(embedder, files[:1], cache)
        collect(embedder, [ImageFile(copy)], cache)
        assert embedder.images == 1
        copy.write_bytes(files[1].path.read_bytes())
        features, _ = collect(embedder, [ImageFile(copy)], cache)
    np.testing.assert_array_equal(features[0], expected(files[1].path))


def test_a_damaged_image_is_named_or_skipped(files, tmp_path):
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(files[0].path.read_bytes()[:60])
    items = [files[0], ImageFile(damaged), files[1]]
    with pytest.raises(CorruptDataError, match=r"damaged.png: not a readable image"):
        collect(Flat(), items)
    skipped = []
    features, positions = collect(Flat(), items, skip=skipped.append)
    assert positions == [0, 2]
    assert len(skipped) == 1
    np.testing.assert_array_equal(features[1], expected(files[1].path))


def test_a_feature_that_is_not_finite_names_the_image_and_is_not_cached(files, tmp_path):
    class Broken(Flat):
        def _embed_batch(self, images):
            features = super()._embed_batch(images)
            features[3, 1] = np.nan
            return features

    embedder = Broken()
    with FeatureCache(embedder.identity, folder=tmp_path) as cache:
        with pytest.raises(EbmoodError, match=r"003.png: flat returns NaN or infinity for this image"):
            collect(embedder, files[:5], cache)
        assert not cache.find([file.key(SIZE) for file in files[:5]])


def test_exif_turns_an_image_upright(tmp_path):
    pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
    pixels[0] = 255  # a light row on top
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise: the top becomes the right side
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    features, _ = collect(Flat(), [ImageFile(tmp_path / "turned.png")])
    image = features[0].reshape(3, SIZE, SIZE)
    assert (image[:, :, -1] == 255).all()
    assert not image[:, :, :-1].any()


def test_a_large_jpeg_is_decoded_at_a_fraction_with_nearly_equal_pixels(tmp_path):
    ramp = np.linspace(0, 255, 640)
    pixels = np.stack([np.add.outer(ramp, ramp) / 2, np.tile(ramp, (640, 1)), np.full((640, 640), 90.0)], -1)
    path = tmp_path / "large.jpg"
    Image.fromarray(pixels.astype(np.uint8)).save(path, quality=95)
    features, _ = collect(Flat(), [ImageFile(path)])
    assert np.abs(features[0] - expected(path)).max() <= 3


def test_deep_images_are_scaled_in_files_and_in_memory(tmp_path):
    deep = Image.fromarray(np.full((8, 8), 257 * 40, np.uint16))
    deep.save(tmp_path / "deep.png")
    for item in (ImageFile(tmp_path / "deep.png"), ImageInMemory(deep, "deep")):
        assert (item.pixels(8)[1] == 40).all()


def test_paths_images_and_arrays_of_the_same_pixels_have_the_same_features(files):
    paths = [str(file.path) for file in files[:3]]
    images = [Image.open(path) for path in paths]
    arrays = [np.asarray(image).transpose(2, 0, 1) for image in images]
    by_path, by_image, by_array = (collect(Flat(), read_items(x))[0] for x in (paths, images, arrays))
    np.testing.assert_array_equal(by_path, by_image)
    np.testing.assert_array_equal(by_path, by_array)
    stacked = np.stack([arrays[0], arrays[0]])
    np.testing.assert_array_equal(collect(Flat(), read_items(stacked))[0][1], by_array[0])


def test_other_items_are_refused_with_their_place():
    with pytest.raises(EbmoodError, match="str is not a sequence of images"):
        read_items("photos")
    with pytest.raises(EbmoodError, match="no images"):
        read_items([])
    with pytest.raises(EbmoodError, match=r"item 1 is float64 of shape \(3, 4, 4\)"):
        read_items([np.zeros((3, 4, 4), np.uint8), np.zeros((3, 4, 4))])
