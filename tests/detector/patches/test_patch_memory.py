import numpy as np
import torch

from ebmood.detector.patches import patch_memory
from ebmood.detector.patches.patch_memory import PatchMemory, PatchSettings, image_energies, patches_of
from ebmood.models.memory import TIE

RNG = np.random.default_rng(0)
SETTINGS = PatchSettings(neighbours=3)
TRAINING = RNG.normal(size=(6, 4, 5, 7)).astype(np.float32)
NEW = RNG.normal(size=(3, 4, 5, 7)).astype(np.float32)


def fitted(maps: np.ndarray = TRAINING, settings: PatchSettings = SETTINGS) -> PatchMemory:
    patches = patches_of(torch.from_numpy(maps))
    memory = PatchMemory(len(patches), patches.shape[1], settings)
    return memory.fit(patches, patches.mean(0), patches.std(0, correction=0))


def averaged(grid: np.ndarray) -> np.ndarray:
    """Return the means over 3 x 3 places inside the grid: `(..., h, w)`."""
    result = np.empty_like(grid, dtype=np.float64)
    for i in range(grid.shape[-2]):
        for j in range(grid.shape[-1]):
            around = grid[..., max(0, i - 1) : i + 2, max(0, j - 1) : j + 2]
            result[..., i, j] = around.mean((-2, -1))
    return result


def test_energies_are_those_of_a_few_lines_of_numpy():
    def rows(maps):
        return averaged(maps).transpose(0, 2, 3, 1).reshape(-1, maps.shape[1])

    memory = rows(TRAINING)
    mean, std = memory.mean(0), memory.std(0)
    memory, new = (memory - mean) / std, (rows(NEW) - mean) / std

    def distances(a, b):
        return np.sqrt(((a[:, None] - b) ** 2).sum(-1))

    own = np.sort(distances(memory, memory), 1)[:, 1:4].mean(1)
    among = distances(new, memory)
    nearest = np.argsort(among, 1)[:, :3]
    tie = TIE * np.sort(own)[(len(own) - 1) // 2]
    m, around = np.take_along_axis(among, nearest, 1).mean(1), own[nearest].mean(1)
    expected = averaged((np.log(m + tie) - np.log(around + tie)).reshape(3, 5, 7))
    np.testing.assert_allclose(fitted()(torch.from_numpy(NEW)).numpy(), expected, atol=1e-4)


def test_energies_do_not_depend_on_the_units_of_features():
    scale, shift = (
        np.array([2, 0.5, 8, 1.0]).reshape(1, 4, 1, 1),
        np.array([1, -3, 0, 9.0]).reshape(1, 4, 1, 1),
    )
    changed = [(scale * maps + shift).astype(np.float32) for maps in (TRAINING, NEW)]
    same = fitted()(torch.from_numpy(NEW))
    other = fitted(changed[0])(torch.from_numpy(changed[1]))
    np.testing.assert_allclose(other, same, atol=1e-4)


def test_energies_do_not_depend_on_the_order_of_the_memory():
    memory = fitted()
    patches = patches_of(torch.from_numpy(TRAINING))
    shuffled = patches[torch.from_numpy(RNG.permutation(len(patches)))]
    again = PatchMemory(len(patches), 4, SETTINGS).fit(
        shuffled, patches.mean(0), patches.std(0, correction=0)
    )
    np.testing.assert_allclose(again(torch.from_numpy(NEW)), memory(torch.from_numpy(NEW)), atol=1e-5)


def test_an_image_has_the_same_energies_alone_and_with_others():
    memory = fitted()
    together = memory(torch.from_numpy(NEW))
    for k in range(3):
        assert torch.equal(memory(torch.from_numpy(NEW[k : k + 1]))[0], together[k])


def test_large_maps_are_computed_in_parts(monkeypatch):
    memory = fitted()
    whole = memory(torch.from_numpy(NEW))
    monkeypatch.setattr(patch_memory, "CHUNK_PATCHES", 8)
    np.testing.assert_allclose(memory(torch.from_numpy(NEW)), whole, atol=1e-5)


def test_the_energies_of_mirrored_maps_are_mirrored():
    memory = fitted()
    mirrored = memory(torch.from_numpy(NEW[..., ::-1].copy()))
    np.testing.assert_allclose(mirrored.flip(2), memory(torch.from_numpy(NEW)), atol=1e-5)


def test_a_constant_feature_changes_nothing_until_it_varies():
    constant = np.concatenate([TRAINING, np.full((6, 1, 5, 7), 2, np.float32)], 1)
    memory = fitted(constant)
    new = np.concatenate([NEW, np.full((3, 1, 5, 7), 2, np.float32)], 1)
    same = memory(torch.from_numpy(new))
    np.testing.assert_allclose(same, fitted()(torch.from_numpy(NEW)), atol=1e-4)
    new[0, 4, 2, 3] = 3
    changed = memory(torch.from_numpy(new))
    assert changed[0].argmax() in range(35)
    assert (changed[0, 1:4, 2:5] > same[0].max()).all()
    assert torch.equal(changed[1:], same[1:])


def test_the_energy_of_an_image_is_the_mean_of_the_highest_ones():
    energies = torch.tensor([[[1.0, 5.0], [3.0, 2.0]]])
    assert image_energies(energies, 0.0).item() == 5
    assert image_energies(energies, 0.5).item() == 4
    assert image_energies(energies, 1.0).item() == 2.75
