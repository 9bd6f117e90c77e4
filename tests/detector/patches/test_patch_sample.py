import numpy as np
import torch

from ebmood.detector.patches.patch_memory import patches_of
from ebmood.detector.patches.patch_sample import MIN_IMAGES, PatchSample, find_patch_prototypes

RNG = np.random.default_rng(0)
MAPS = (1000 + RNG.normal(size=(8, 3, 6, 6))).astype(np.float32)


def collected(size, seed=0):
    sample = PatchSample(size, len(MAPS), seed)
    for start in (0, 3, 6):
        sample.add(MAPS[start : start + 3])
    return sample


def test_moments_are_those_of_all_patches_even_far_from_zero():
    patches = patches_of(torch.from_numpy(MAPS)).double()
    mean, deviation = collected(10).moments()
    np.testing.assert_allclose(mean, patches.mean(0), rtol=1e-6)
    np.testing.assert_allclose(deviation, patches.std(0, correction=0), rtol=1e-4)


def test_the_sample_is_bounded_and_takes_the_same_number_of_each_image():
    patches, sources = collected(30).patches()
    assert patches.shape == (30, 3)
    assert np.bincount(sources, minlength=8).max() <= 4
    everything = patches_of(torch.from_numpy(MAPS))
    for patch, source in zip(patches, sources, strict=True):
        own = everything[36 * source : 36 * (source + 1)]
        assert (own == patch).all(1).any()


def test_a_small_set_is_kept_whole():
    patches, sources = collected(10_000).patches()
    assert torch.equal(patches, patches_of(torch.from_numpy(MAPS)))
    np.testing.assert_array_equal(sources, np.repeat(np.arange(8), 36))


def test_the_seed_decides():
    assert torch.equal(collected(30).patches()[0], collected(30).patches()[0])
    assert not torch.equal(collected(30).patches()[0], collected(30, seed=1).patches()[0])


def test_a_prototype_has_patches_of_several_images():
    common = RNG.normal(size=(200, 2))
    private = np.array([[50.0, 50.0]]) + 0.01 * RNG.normal(size=(60, 2))
    x = torch.from_numpy(np.concatenate([common, private]).astype(np.float32))
    sources = np.concatenate([np.arange(200) % 20, np.full(60, 3)])
    assert MIN_IMAGES > 1
    prototypes = find_patch_prototypes(x, sources, seed=0)
    assert len(prototypes) >= 2
    assert prototypes.abs().max() < 10
    assert not (prototypes[:, None] == x).all(2).any()
