import io

import numpy as np
import pytest

from ebmood.detector.patches.training_images import TrainingImages, small_picture

Image = pytest.importorskip("PIL.Image")


def test_the_nearest_images_have_the_smallest_distances():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(20, 3)).astype(np.float32)
    images = TrainingImages((b"",) * 20, features)
    new = rng.normal(size=(4, 3)).astype(np.float32)
    expected = [sorted(range(20), key=lambda k: np.linalg.norm(row - features[k]))[:5] for row in new]
    np.testing.assert_array_equal(images.nearest(new, 5), expected)
    np.testing.assert_array_equal(images.nearest(features, 1)[:, 0], np.arange(20))
    assert images.nearest(new, 100).shape == (4, 20)


@pytest.mark.parametrize(("size", "side"), [(40, 16), (12, 12)])
def test_pictures_are_small_jpeg_files(size, side):
    image = np.full((3, size, size), 90, np.uint8)
    picture = Image.open(io.BytesIO(small_picture(image, 16)))
    assert picture.format == "JPEG"
    assert picture.size == (side, side)
    assert np.abs(np.asarray(picture).astype(int) - 90).max() <= 2
