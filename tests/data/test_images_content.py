import numpy as np
import pytest
from written_images import pixels

from ebmood.data.dataset import OODSet
from ebmood.data.images.image_probes import draw_image_probes, unscaled
from ebmood.data.images.low_level import edges, low_level_sets, shuffled_patches

SHAPES = [(1, 32, 32), (3, 16, 16), (4, 29, 29), (2, 5, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_probes_have_the_dtype_range_and_shape_of_images(shape):
    for ood in draw_image_probes(500, shape, seed=3, part="test"):
        assert ood.kind == "non-natural"
        assert ood.x.shape == (500, *shape)
        assert ood.x.dtype == np.uint8
        assert ood.x.min() == 0
        assert ood.x.max() == 255


def test_probes_are_distributed_as_they_say():
    sets = {ood.name: ood.x for ood in draw_image_probes(400, (3, 16, 16), seed=0, part="test")}
    counts = np.bincount(sets["uniform"].ravel(), minlength=256)
    assert abs(counts / counts.mean() - 1).max() < 0.12
    normal = sets["gaussian"].astype(float)
    assert abs(np.median(normal) - 127.5) < 0.6
    low, high = np.quantile(normal, [0.1587, 0.8413])
    np.testing.assert_allclose((high - low) / 2, 60, atol=1)
    np.testing.assert_allclose((normal == 255).mean(), 0.0170, atol=0.001)  # P(Z > 127 / 60)
    constant = sets["constant"]
    assert (np.ptp(constant, axis=(2, 3)) == 0).all()
    assert (np.ptp(constant, axis=1).max(axis=(1, 2)) > 0).mean() > 0.95  # a colour, and not a grey


def test_probes_differ_by_seed_and_part_and_repeat():
    drawn = [
        draw_image_probes(5, (1, 4, 4), seed, part) for seed, part in [(0, "test"), (0, "test"), (1, "test")]
    ]
    other = draw_image_probes(5, (1, 4, 4), 0, "validation")
    for again, first, seed, part in zip(*drawn, other, strict=True):
        np.testing.assert_array_equal(again.x, first.x)
        assert (seed.x != first.x).any()
        assert (part.x != first.x).any()


def test_unscaled_is_a_natural_set_as_floats_and_says_which():
    natural = [
        OODSet(name, "natural", pixels(3, 1, 4, 4, seed=k)) for k, name in enumerate(["mnist", "kmnist"])
    ]
    (wanted,) = unscaled(natural, "kmnist")
    assert (wanted.name, wanted.kind, wanted.x.dtype) == ("kmnist-unscaled", "non-natural", np.float32)
    np.testing.assert_array_equal(wanted.x, natural[1].x)
    assert wanted.x.max() > 200
    assert unscaled(natural, "svhn")[0].name == "mnist-unscaled"
    assert unscaled([], "svhn") == ()


@pytest.mark.parametrize("shape", SHAPES)
def test_low_level_sets_are_like_the_images(shape):
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
def test_shuffling_keeps_each_images_histogram_exactly(shape, name):
    images = pixels(1100, *shape)  # more than are shuffled at once
    shuffled = next(ood.x for ood in low_level_sets(images, seed=1) if ood.name == name)
    flat = (len(images), shape[0], -1)
    np.testing.assert_array_equal(np.sort(shuffled.reshape(flat)), np.sort(images.reshape(flat)))


def test_shuffled_pixels_keep_their_colours():
    values = np.arange(64, dtype=np.uint8).reshape(1, 1, 8, 8)
    images = np.concatenate([values, values + 64, values + 128], axis=1).repeat(5, axis=0)
    shuffled = shuffled_patches(images, np.random.default_rng(0), side=1)
    np.testing.assert_array_equal(shuffled[:, 1], shuffled[:, 0] + 64)
    np.testing.assert_array_equal(shuffled[:, 2], shuffled[:, 0] + 128)
    assert len({image.tobytes() for image in shuffled}) == 5  # an order of its own for each


def test_shuffled_patches_are_the_images_patches():
    images = pixels(6, 3, 16, 16)
    shuffled = shuffled_patches(images, np.random.default_rng(0))

    def patches(image):
        return sorted(
            image[:, i : i + 4, j : j + 4].tobytes() for i in range(0, 16, 4) for j in range(0, 16, 4)
        )

    for before, after in zip(images, shuffled, strict=True):
        assert patches(before) == patches(after)
        assert (before != after).any()


def test_borders_that_patches_do_not_reach_stay():
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
    alone = edges(pixels(3, 2, 8, 8))
    np.testing.assert_array_equal(
        alone[1:2], edges(pixels(3, 2, 8, 8)[1:2])
    )  # neither images nor channels mix
    np.testing.assert_array_equal(alone[:, :1], edges(pixels(3, 2, 8, 8)[:, :1]))


def test_flat_colour_is_the_mean():
    images = pixels(4, 3, 8, 8)
    flat = low_level_sets(images, 0)[3].x
    assert (np.ptp(flat, axis=(2, 3)) == 0).all()
    np.testing.assert_allclose(flat[:, :, 0, 0], images.mean(axis=(2, 3)), atol=0.5)
