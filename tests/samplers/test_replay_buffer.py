"""The replay buffer: its starting points and its slots."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from ebmood.samplers import ReplayBuffer


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_the_last_of_several_samples_for_one_slot_is_stored(slots):
    buffer = ReplayBuffer(5, (2,), 0.0, 1, torch.Generator().manual_seed(0))
    expected = buffer.samples.clone()
    samples = torch.arange(2.0 * len(slots)).view(-1, 2)
    for slot, sample in zip(slots, samples, strict=True):
        expected[slot] = sample
    buffer.put(torch.tensor(slots), samples)
    assert torch.equal(buffer.samples, expected)


def test_the_fraction_of_restarted_chains(noise):
    buffer = ReplayBuffer(500, (2,), restart=0.2, classes=1, generator=noise)
    buffer.put(torch.arange(500), torch.full((500, 2), 7.0))
    x, _, _ = buffer.draw(5000, noise)
    restarted = (x != 7.0).all(1)
    assert abs(float(restarted.float().mean()) - 0.2) < 4 * (0.16 / 5000) ** 0.5
    assert x[restarted].abs().max() <= 1


def test_chains_start_at_the_samples_of_their_slots_and_slots_alternate_between_classes(noise):
    buffer = ReplayBuffer(12, (2,), restart=0.0, classes=3, generator=noise)
    x, slots, classes = buffer.draw(100, noise)
    assert torch.equal(x, buffer.samples[slots])
    assert torch.equal(classes, slots % 3)
