import torch

from ebmood.core.seeding import global_torch_stream, numpy_stream, stream_seed, torch_stream


def test_the_numbers_of_a_stream_depend_on_seed_and_name_only():
    assert stream_seed(0, "noise") == 5127903134280592399
    first = torch.rand(3, generator=torch_stream(0, "noise"))
    torch.rand(5)
    assert torch.equal(first, torch.rand(3, generator=torch_stream(0, "noise")))
    assert not torch.equal(first, torch.rand(3, generator=torch_stream(0, "order")))
    assert not torch.equal(first, torch.rand(3, generator=torch_stream(1, "noise")))
    assert numpy_stream(0, "noise").random() == numpy_stream(0, "noise").random()


def test_global_torch_stream_restores_the_global_generator():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with global_torch_stream(0, "weights"):
        inside = torch.rand(2)
    assert torch.equal(torch.rand(2), expected)
    assert torch.equal(inside, torch.rand(2, generator=torch_stream(0, "weights")))
