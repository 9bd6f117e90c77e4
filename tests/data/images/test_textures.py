import numpy as np
import pytest

from ebmood.data.images.textures import (
    DAMAGES,
    LARGEST_AREA,
    SMALLEST_AREA,
    TEXTURES,
    damage_images,
    make_textures,
)


@pytest.mark.parametrize("kind", TEXTURES)
def test_images_of_a_kind_differ_and_a_seed_repeats_them(kind):
    x = make_textures(kind, 3, np.random.default_rng(0), 48)
    assert x.shape == (3, 3, 48, 48)
    assert x.dtype == np.uint8
    assert x.std() > 10
    assert (x[0] != x[1]).mean() > 0.5
    np.testing.assert_array_equal(x, make_textures(kind, 3, np.random.default_rng(0), 48))


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_covers_its_area_and_changes_nothing_else(damage):
    rng = np.random.default_rng(1)
    x, other = make_textures("wood", 20, rng), make_textures("bricks", 20, rng)
    y, masks = damage_images(x, damage, rng, other)
    areas = masks.mean((1, 2))
    assert areas.min() >= 0.95 * SMALLEST_AREA
    assert areas.max() <= 1.05 * LARGEST_AREA
    assert areas.std() > 0.01
    changed = (x != y).any(1)
    assert not (changed & ~masks).any()
    assert changed[masks].mean() > 0.9
