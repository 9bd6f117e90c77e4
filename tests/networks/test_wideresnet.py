"""The WideResNet: its size, its bottleneck, and the scale of activations without normalisation."""

import pytest
import torch

from ebmood.networks import WideResNet
from ebmood.networks.activation import activation
from ebmood.networks.wideresnet import mean_square


def test_wrn_28_10_has_the_published_number_of_parameters():
    """36.5 million for ten classes (Zagoruyko & Komodakis 2016, table 4). Our biases are not counted."""
    network = WideResNet(3, 10, depth=28, width=10, norm="batch")
    weights = sum(p.numel() for name, p in network.named_parameters() if name.endswith("weight"))
    assert weights == pytest.approx(36.5e6, rel=0.002)


@pytest.mark.parametrize("stride_first", [False, True])
@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 32), (2, 28, 20)])
def test_strides_determine_the_size_of_the_last_feature_map(shape, stride_first):
    network = WideResNet(shape[0], 5, stride_first=stride_first)
    maps = []
    network.stages.register_forward_hook(lambda _, __, out: maps.append(out.shape))
    x = torch.rand(2, *shape) * 2 - 1
    assert network.features(x).shape == (2, 128)
    assert maps == [(2, 128, shape[1] // 4, shape[2] // 4)]
    torch.testing.assert_close(network(x), network.last(network.features(x)))


def test_a_bottleneck_of_identity_matrices_changes_nothing():
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
    ("fraction", "ranks"), [(0.05, (1, 3, 6)), (0.1, (3, 6, 12)), (0.2, (6, 12, 25)), (0.01, (1, 1, 1))]
)
def test_a_bottleneck_limits_the_rank_of_feature_maps(fraction, ranks):
    """The output of stage i has rank `int(C r)` over channels."""
    torch.manual_seed(0)
    network = WideResNet(1, 1, bottleneck=fraction).double()
    h = network.first(torch.randn(8, 1, 16, 16, dtype=torch.float64))
    for number, layer in enumerate(network.stages):
        h = layer(h)
        pixels = h.transpose(0, 1).flatten(1)
        if number % 2:
            assert torch.linalg.matrix_rank(pixels) == ranks[number // 2]


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "silu", "softplus", "elu", "tanh"])
def test_mean_square_equals_that_of_many_samples(name):
    act = activation(name, 0.2)
    samples = act(torch.randn(2_000_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    assert mean_square(act) == pytest.approx(float(samples.square().mean()), rel=0.01)


@pytest.mark.parametrize("name", ["leaky_relu", "silu", "softplus"])
@pytest.mark.parametrize("depth", [10, 40])
@pytest.mark.parametrize("bottleneck", [None, 0.2])
def test_initialisation_preserves_the_scale_without_normalisation(name, depth, bottleneck):
    """For noise of unit variance, the output of all stages has a variance between 1 and about e at any depth."""
    variances = []
    for seed in range(3):
        torch.manual_seed(seed)
        network = WideResNet(3, 1, depth=depth, width=1, activation_name=name, bottleneck=bottleneck)
        with torch.no_grad():
            variances.append(float(network.stages(network.first(torch.randn(8, 3, 16, 16))).square().mean()))
    assert 0.5 < sum(variances) / 3 < 5


def test_initial_logits_and_their_gradients_are_of_order_one():
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


def test_the_memory_format_does_not_change_results():
    torch.manual_seed(0)
    network = WideResNet(3, 4).double()
    x = (torch.rand(4, 3, 16, 16, dtype=torch.float64) * 2 - 1).requires_grad_()
    expected = network.last(network.act(network.stages(network.first(x))).mean((2, 3)))
    for form in (torch.contiguous_format, torch.channels_last):
        y = x.contiguous(memory_format=form)
        torch.testing.assert_close(network(y), expected)
        (gradient,) = torch.autograd.grad(network(y).sum(), x, retain_graph=True)
        (expected_gradient,) = torch.autograd.grad(expected.sum(), x, retain_graph=True)
        torch.testing.assert_close(gradient, expected_gradient)
    assert all(p.is_contiguous() for p in network.parameters())


def test_rows_are_independent_without_batch_normalisation():
    torch.manual_seed(0)
    network = WideResNet(1, 2).double()
    x = torch.randn(5, 1, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(network(x)[2:3], network(x[2:3]))


def test_an_invalid_depth_is_an_error():
    with pytest.raises(ValueError, match="6n \\+ 4"):
        WideResNet(1, 1, depth=12)
