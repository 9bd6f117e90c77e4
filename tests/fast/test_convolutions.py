"""Compiled convolutions: the numbers of autograd up to rounding; unsupported arguments return None."""

import copy

import pytest
import torch
from helpers.networks import needs_compiler, random_wideresnet, rows

from ebmood.fast.convolutions import ConvolutionKernels, multiplications
from ebmood.models import EnergyModel
from ebmood.networks import WideResNet

NETWORKS = [
    {"width": 1, "activation_name": "relu"},
    {"channels": 1, "outputs": 1, "bottleneck": 0.1},
    {"width": 3, "strides": (2, 1, 3)},
    {"depth": 16, "width": 1, "stride_first": True, "strides": (1, 2, 4), "slope": 0.01},
]


@pytest.fixture
def kernels(cache):
    loaded = ConvolutionKernels.load(torch.float64)
    assert loaded is not None
    return loaded


def by_autograd(network: WideResNet, x, y=None):
    _, gradient = EnergyModel(network).value_and_grad(x, y)
    return network(x).detach(), gradient


@needs_compiler
@pytest.mark.parametrize("size", [(32, 32), (16, 12), (13, 7), (5, 1), (2, 2)])
@pytest.mark.parametrize("settings", NETWORKS)
def test_logits_and_input_gradients(kernels, settings, size):
    """Sizes with whole and partial tiles, strides that divide them or not, channels that do not fill a vector."""
    network = random_wideresnet(**settings)
    for count in (1, 2, 5):
        x = rows(count, settings.get("channels", 3), *size)
        for y in (None, torch.arange(count) % network.last.out_features):
            result = kernels.value_and_grad(network, x, y)
            torch.testing.assert_close(result, by_autograd(network, x, y), rtol=1e-9, atol=1e-11)


@needs_compiler
def test_single_precision(cache):
    """As exact as autograd, except where rounding moves a unit to the other side of zero."""
    network = random_wideresnet(dtype=torch.float32)
    x = rows(20, 3, 16, 16, dtype=torch.float32)
    logits, gradient = ConvolutionKernels.load(torch.float32).value_and_grad(network, x, None)
    exact_logits, exact = by_autograd(copy.deepcopy(network).double(), x.double())
    torch.testing.assert_close(logits.double(), exact_logits, rtol=1e-5, atol=1e-5)
    error = (gradient - exact).flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)
    assert error.median() < 2e-6
    assert error.max() < 2e-2


@needs_compiler
def test_images_do_not_depend_on_each_other_and_results_repeat(kernels):
    network, x = random_wideresnet(), rows(5, 3, 12, 12)
    logits, gradient = kernels.value_and_grad(network, x, None)
    for image in range(len(x)):
        alone = kernels.value_and_grad(network, x[image : image + 1].clone(), None)
        torch.testing.assert_close(alone[0][0], logits[image], rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(alone[1][0], gradient[image], rtol=1e-10, atol=1e-12)
    again = kernels.value_and_grad(network, x, None)
    assert torch.equal(again[0], logits)
    assert torch.equal(again[1], gradient)


@needs_compiler
def test_memory_layouts_of_images(kernels):
    network, x = random_wideresnet(), rows(5, 3, 8, 8)
    logits, gradient = kernels.value_and_grad(network, x, None)
    for other in (
        x.contiguous(memory_format=torch.channels_last),
        x.transpose(2, 3).contiguous().transpose(2, 3),
        torch.stack([x, x], dim=-1)[..., 1],
        x.flip(3).contiguous().flip(3),
    ):
        result = kernels.value_and_grad(network, other, None)
        assert torch.equal(result[0], logits)
        assert torch.equal(result[1], gradient)
    expanded = x[:1].expand(3, 3, 8, 8)
    result = kernels.value_and_grad(network, expanded, None)
    assert torch.equal(result[1], gradient[:1].expand(3, 3, 8, 8))


@needs_compiler
def test_extreme_and_non_finite_images(kernels):
    """A value that is not finite stays in its image."""
    network, x = random_wideresnet(), rows(5, 3, 8, 8)
    x[1] *= 1e3
    x[2, 0, 3, 4], x[3, 1, 0, 0] = torch.nan, torch.inf
    logits, gradient = kernels.value_and_grad(network, x, None)
    expected_logits, expected = by_autograd(network, x)
    finite = [True, True, False, False, True]
    assert gradient.isfinite().flatten(1).all(1).tolist() == finite
    torch.testing.assert_close(logits[finite], expected_logits[finite], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradient[finite], expected[finite], rtol=1e-9, atol=1e-9)


@needs_compiler
def test_weights_that_change_or_are_computed_at_every_access(kernels):
    network, x = random_wideresnet(), rows(2, 3, 8, 8)
    before = kernels.value_and_grad(network, x, None)[1]
    network.stages[1].conv1.weight.data.mul_(1.5)  # which no version counter records
    torch.testing.assert_close(kernels.value_and_grad(network, x, None), by_autograd(network, x))
    assert not torch.allclose(kernels.value_and_grad(network, x, None)[1], before)
    for layer in list(network.modules()):
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.utils.parametrizations.weight_norm(layer)
    torch.testing.assert_close(kernels.value_and_grad(network, x, None), by_autograd(network, x))


@needs_compiler
def test_unsupported_arguments(kernels):
    """Other networks, types, shapes, layouts of weights and classes return None and are never read past their end."""
    network, x = random_wideresnet(), rows(2, 3, 8, 8)
    assert kernels.value_and_grad(network, x, None) is not None
    for wrong in (rows(2, 4, 8, 8), rows(2, 3, 8), x[:, :2], x.float()):
        assert kernels.value_and_grad(network, wrong, None) is None
    for classes in ([0, 3], [-1, 0], [0]):
        assert kernels.value_and_grad(network, x, torch.tensor(classes)) is None
    for settings in ({"activation_name": "silu"}, {"norm": "batch"}, {"slope": -0.1}):
        assert kernels.value_and_grad(random_wideresnet(**settings), x, None) is None
    assert kernels.value_and_grad(network.to(memory_format=torch.channels_last), x, None) is None


def test_multiplications_and_when_compiling_pays():
    network = WideResNet(3, 1)
    counts = []
    for layer in [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]:
        layer.register_forward_hook(
            lambda layer, _, out: counts.append(layer.weight.numel() * out[0, 0].numel())
        )
    network(torch.zeros(1, 3, 32, 28))
    assert multiplications(network, 32, 28) == sum(counts)
    per_batch = 32 * multiplications(network, 32, 32)
    assert ConvolutionKernels.pays(1_000, per_batch)
    assert not ConvolutionKernels.pays(100, per_batch)
    try:
        torch.set_num_threads(2)
        assert not ConvolutionKernels.pays(100_000, per_batch)
    finally:
        torch.set_num_threads(1)
