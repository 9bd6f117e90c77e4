import torch
from hypothesis import given
from hypothesis import strategies as st

from ebmood.samplers.replay_buffer import ReplayBuffer


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_of_several_ends_for_one_slot_the_last_is_kept(slots):
    buffer = ReplayBuffer(5, (2,), 0.0, 1, torch.Generator().manual_seed(0))
    expected = buffer.samples.clone()
    ends = torch.arange(2.0 * len(slots)).view(-1, 2)
    for slot, end in zip(slots, ends, strict=True):
        expected[slot] = end
    buffer.put(torch.tensor(slots), ends)
    assert torch.equal(buffer.samples, expected)
