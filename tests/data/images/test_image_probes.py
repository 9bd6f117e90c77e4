import numpy as np
import pytest
from helpers.images import pixels

from ebmood.data.dataset import OODSet
from ebmood.data.images.image_probes import draw_image_probes, unscaled_probe

SHAPES = [(1, 32, 32), (3, 16, 16), (4, 29, 29), (2, 5, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_probes_have_the_type_range_and_shape_of_images(shape):
    for ood in draw_image_probes(500, shape, seed=3, part="test"):
        assert ood.kind == "non-natural"
        assert ood.x.shape == (500, *shape)
        assert ood.x.dtype == np.uint8
        assert ood.x.min() == 0
        assert ood.x.max() == 255


def test_probes_have_the_documented_distributions():
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
    assert (np.ptp(constant, axis=1).max(axis=(1, 2)) > 0).mean() > 0.95  # colours, not greys


def test_probes_depend_on_seed_and_part_only():
    drawn = [
        draw_image_probes(5, (1, 4, 4), seed, part) for seed, part in [(0, "test"), (0, "test"), (1, "test")]
    ]
    other = draw_image_probes(5, (1, 4, 4), 0, "validation")
    for again, first, seed, part in zip(*drawn, other, strict=True):
        np.testing.assert_array_equal(again.x, first.x)
        assert (seed.x != first.x).any()
        assert (part.x != first.x).any()


def test_unscaled_probe_is_a_natural_set_as_floats():
    natural = [
        OODSet(name, "natural", pixels(3, 1, 4, 4, seed=k)) for k, name in enumerate(["mnist", "kmnist"])
    ]
    (probe,) = unscaled_probe(natural, "kmnist")
    assert (probe.name, probe.kind, probe.x.dtype) == ("kmnist-unscaled", "non-natural", np.float32)
    np.testing.assert_array_equal(probe.x, natural[1].x)
    assert probe.x.max() > 200
    assert unscaled_probe(natural, "svhn")[0].name == "mnist-unscaled"
    assert unscaled_probe([], "svhn") == ()
