"""Truths of the WideResNet: its size, its bottleneck, and that signals keep their scale without normalisation."""

import pytest
import torch

from ebmood.networks import WideResNet
from ebmood.networks.activation import activation
from ebmood.networks.wideresnet import mean_square


def test_wrn_28_10_has_the_published_number_of_parameters():
    """36.5 million for ten classes (Zagoruyko & Komodakis 2016, table 4); ours adds biases and no batch norm."""
    network = WideResNet(3, 10, depth=28, width=10, norm="batch")
    weights = sum(p.numel() for name, p in network.named_parameters() if name.endswith("weight"))
    assert weights == pytest.approx(36.5e6, rel=0.002)


@pytest.mark.parametrize("stride_first", [False, True])
@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 32), (2, 28, 20)])
def test_strides_reach_the_last_map(shape, stride_first):
    network = WideResNet(shape[0], 5, stride_first=stride_first)
    maps = []
    network.stages.register_forward_hook(lambda _, __, out: maps.append(out.shape))
    x = torch.rand(2, *shape) * 2 - 1
    assert network.features(x).shape == (2, 128)
    assert maps == [(2, 128, shape[1] // 4, shape[2] // 4)]
    torch.testing.assert_close(network(x), network.last(network.features(x)))


def test_an_identity_bottleneck_changes_nothing():
    torch.manual_seed(0)
    plain, narrow = WideResNet(1, 3).double(), WideResNet(1, 3, bottleneck=1.0).double()
    weights = plain.state_dict()
    state = {}
    for name, tensor in narrow.state_dict().items():
        stage = name.split(".")
        if name.startswith("stages") and stage[1] in "135":  # a bottleneck: two 1x1 convolutions
            state[name] = (
                torch.eye(len(tensor), dtype=tensor.dtype)[:, :, None, None]
                if tensor.ndim == 4
                else 0 * tensor
            )
        elif name.startswith("stages"):
            state[name] = weights[".".join([stage[0], str(int(stage[1]) // 2), *stage[2:]])]
        else:
            state[name] = weights[name]
    narrow.load_state_dict(state)
    x = torch.rand(4, 1, 16, 16, dtype=torch.float64) * 2 - 1
    torch.testing.assert_close(narrow(x), plain(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("share", "kept"), [(0.05, (1, 3, 6)), (0.1, (3, 6, 12)), (0.2, (6, 12, 25)), (0.01, (1, 1, 1))]
)
def test_a_bottleneck_lets_that_many_directions_through(share, kept):
    """What leaves stage i varies in `int(C r)` directions of channel space, and in all without the bottleneck."""
    torch.manual_seed(0)
    network = WideResNet(1, 1, bottleneck=share).double()
    h = network.first(torch.randn(8, 1, 16, 16, dtype=torch.float64))
    for number, layer in enumerate(network.stages):
        h = layer(h)
        pixels = h.transpose(0, 1).flatten(1)
        if number % 2:
            assert torch.linalg.matrix_rank(pixels) == kept[number // 2]


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "silu", "softplus", "elu", "tanh"])
def test_mean_square_is_that_of_many_draws(name):
    act = activation(name, 0.2)
    draws = act(torch.randn(2_000_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    assert mean_square(act) == pytest.approx(float(draws.square().mean()), rel=0.01)


@pytest.mark.parametrize("name", ["leaky_relu", "silu", "softplus"])
@pytest.mark.parametrize("depth", [10, 40])
@pytest.mark.parametrize("bottleneck", [None, 0.2])
def test_the_scale_is_kept_without_normalisation(name, depth, bottleneck):
    """Noise of unit variance comes out of all stages with a variance between 1 and about e, however deep."""
    variances = []
    for seed in range(3):
        torch.manual_seed(seed)
        network = WideResNet(3, 1, depth=depth, width=1, activation_name=name, bottleneck=bottleneck)
        with torch.no_grad():
            variances.append(float(network.stages(network.first(torch.randn(8, 3, 16, 16))).square().mean()))
    assert 0.5 < sum(variances) / 3 < 5


def test_logits_and_their_gradients_are_of_size_one_at_the_start():
    logits, slopes = [], []
    for seed in range(8):
        torch.manual_seed(seed)
        network = WideResNet(1, 10)
        x = torch.randn(16, 1, 16, 16, requires_grad=True)
        out = network(x)
        logits.append(float(out.detach().std()))
        (slope,) = torch.autograd.grad(out[:, 0].sum(), x)
        slopes.append(float(slope.flatten(1).norm(dim=1).mean()))
    assert 0.1 < sum(logits) / 8 < 3
    assert 0.03 < sum(slopes) / 8 < 3


def test_the_order_of_pixels_in_memory_changes_nothing():
    torch.manual_seed(0)
    network = WideResNet(3, 4).double()
    x = (torch.rand(4, 3, 16, 16, dtype=torch.float64) * 2 - 1).requires_grad_()
    plain = network.last(network.act(network.stages(network.first(x))).mean((2, 3)))
    for form in (torch.contiguous_format, torch.channels_last):
        y = x.contiguous(memory_format=form)
        torch.testing.assert_close(network(y), plain)
        (ours,) = torch.autograd.grad(network(y).sum(), x, retain_graph=True)
        (theirs,) = torch.autograd.grad(plain.sum(), x, retain_graph=True)
        torch.testing.assert_close(ours, theirs)
    assert all(p.is_contiguous() for p in network.parameters())


def test_rows_do_not_see_each_other_without_norm():
    torch.manual_seed(0)
    network = WideResNet(1, 2).double()
    x = torch.randn(5, 1, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(network(x)[2:3], network(x[2:3]))


def test_a_depth_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="6n \\+ 4"):
        WideResNet(1, 1, depth=12)
