import numpy as np
import pytest
from helpers.images import pixels

from ebmood.data.images.low_level import edges, low_level_sets, shuffled_patches

SHAPES = [(1, 32, 32), (3, 16, 16), (4, 29, 29), (2, 5, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_sets_have_the_shape_and_type_of_the_images(shape):
    images = pixels(7, *shape)
    before = images.copy()
    sets = low_level_sets(images, seed=1)
    assert [ood.name for ood in sets] == ["shuffled-patches", "shuffled-pixels", "edges", "flat-colour"]
    for ood in sets:
        assert ood.kind == "low-level"
        assert ood.x.shape == images.shape
        assert ood.x.dtype == np.uint8
        assert (ood.x != images).any()
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["shuffled-pixels", "shuffled-patches"])
def test_shuffling_does_not_change_the_histogram_of_an_image(shape, name):
    images = pixels(1100, *shape)  # more than one chunk
    shuffled = next(ood.x for ood in low_level_sets(images, seed=1) if ood.name == name)
    flat = (len(images), shape[0], -1)
    np.testing.assert_array_equal(np.sort(shuffled.reshape(flat)), np.sort(images.reshape(flat)))


def test_the_channels_of_a_shuffled_pixel_stay_together():
    values = np.arange(64, dtype=np.uint8).reshape(1, 1, 8, 8)
    images = np.concatenate([values, values + 64, values + 128], axis=1).repeat(5, axis=0)
    shuffled = shuffled_patches(images, np.random.default_rng(0), side=1)
    np.testing.assert_array_equal(shuffled[:, 1], shuffled[:, 0] + 64)
    np.testing.assert_array_equal(shuffled[:, 2], shuffled[:, 0] + 128)
    assert len({image.tobytes() for image in shuffled}) == 5  # a different order for each image


def test_shuffled_patches_are_the_patches_of_the_image():
    images = pixels(6, 3, 16, 16)
    shuffled = shuffled_patches(images, np.random.default_rng(0))

    def patches(image):
        return sorted(
            image[:, i : i + 4, j : j + 4].tobytes() for i in range(0, 16, 4) for j in range(0, 16, 4)
        )

    for before, after in zip(images, shuffled, strict=True):
        assert patches(before) == patches(after)
        assert (before != after).any()


def test_borders_outside_the_grid_do_not_change():
    images = pixels(6, 1, 18, 17)
    shuffled = shuffled_patches(images, np.random.default_rng(0))
    np.testing.assert_array_equal(shuffled[..., 16:, :], images[..., 16:, :])
    np.testing.assert_array_equal(shuffled[..., 16], images[..., 16])


def test_edges_of_a_ramp_a_step_and_a_flat_image():
    ramp = np.tile(np.arange(0, 80, 10, dtype=np.uint8), (8, 1))
    step = np.where(np.arange(8) < 4, 0, 200).astype(np.uint8) * np.ones((8, 1), np.uint8)
    images = np.stack([ramp, step.T, np.full((8, 8), 9, np.uint8)])[:, None]
    out = edges(images)
    np.testing.assert_array_equal(out[0, 0, :, 1:-1], 20)  # (1 + 2 + 1) * 20 / 4
    np.testing.assert_array_equal(out[1, 0, 3:5], 200)
    assert (out[1, 0, :3] == 0).all()
    assert (out[2] == 0).all()
    images = pixels(3, 2, 8, 8)
    together = edges(images)
    np.testing.assert_array_equal(together[1:2], edges(images[1:2]))  # images are not mixed
    np.testing.assert_array_equal(together[:, :1], edges(images[:, :1]))  # channels are not mixed


def test_flat_colour_is_the_mean_colour():
    images = pixels(4, 3, 8, 8)
    flat = low_level_sets(images, 0)[3].x
    assert (np.ptp(flat, axis=(2, 3)) == 0).all()
    np.testing.assert_allclose(flat[:, :, 0, 0], images.mean(axis=(2, 3)), atol=0.5)
