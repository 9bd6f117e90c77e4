"""Compiled functions of MLPs: the numbers of autograd up to rounding; unsupported arguments return None."""

import copy
import pickle

import pytest
import torch
from helpers.networks import needs_compiler, random_mlp, rows

from ebmood.fast.mlp_kernels import MLPKernels
from ebmood.fast.mlp_layers import layers_of
from ebmood.fast.native import library
from ebmood.models import EnergyModel
from ebmood.networks import MLP

PRECISIONS = pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
ACTIVATIONS = ["relu", "leaky_relu", "silu"]
pytestmark = needs_compiler


@pytest.fixture
def kernels(cache):
    loaded = {dtype: MLPKernels.load(dtype) for dtype in (torch.float32, torch.float64)}
    assert all(loaded.values())
    return loaded


def by_autograd(network: MLP, x, y=None):
    _, gradient = EnergyModel(network).value_and_grad(x, y)
    return network(x).detach(), gradient


@PRECISIONS
@pytest.mark.parametrize("outputs", [1, 3, 8])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_logits_and_input_gradients(kernels, activation, outputs, dtype, tolerance):
    network = random_mlp(activation, outputs, dtype)
    for count in (1, 16, 45):  # less than a block, whole blocks, and a partial block
        x, y = 3 * rows(count, 7, dtype=dtype), torch.arange(count) % outputs
        for classes in (None, y, y.flip(0)):
            result = kernels[dtype].value_and_grad(layers_of(network), x, classes)
            expected = by_autograd(network, x, classes)
            torch.testing.assert_close(result, expected, rtol=tolerance, atol=tolerance)


def test_rows_do_not_depend_on_each_other(kernels):
    layers, x = layers_of(random_mlp("silu", 3, torch.float32)), rows(45, 7, dtype=torch.float32)
    logits, gradient = kernels[torch.float32].value_and_grad(layers, x, None)
    for row in range(len(x)):
        alone = kernels[torch.float32].value_and_grad(layers, x[row : row + 1].clone(), None)
        assert torch.equal(alone[0][0], logits[row])
        assert torch.equal(alone[1][0], gradient[row])


@PRECISIONS
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_extreme_and_non_finite_rows(kernels, activation, dtype, tolerance):
    """e^-x neither overflows nor underflows; a value that is not finite stays in its row."""
    network, x = random_mlp(activation, 3, dtype), 3 * rows(6, 7, dtype=dtype)
    x[1] *= 1e3
    x[2] *= -1e4
    x[3, 4], x[4, 0] = torch.nan, torch.inf
    result = kernels[dtype].value_and_grad(layers_of(network), x, None)
    expected = by_autograd(network, x)
    finite = expected[1].isfinite().all(1)
    assert finite.tolist() == [True, True, True, False, False, True]
    assert torch.equal(result[1].isfinite().all(1), finite)
    torch.testing.assert_close(result[0][finite], expected[0][finite], rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(result[1][finite], expected[1][finite], rtol=tolerance, atol=10 * tolerance)


def entropy_gradient_by_torch(network, x, h, noise, eta, precision):
    proposals = h + eta * noise
    mean = network(proposals.flatten(0, 1)).view(len(noise), *x.shape)
    difference = x - mean
    log_weights = (
        -0.5 * precision * difference.square().sum(2)
        - 0.5 * proposals.square().sum(2)
        + 0.5 * noise.square().sum(2)
    )
    return precision * (log_weights.softmax(0)[:, :, None] * difference).sum(0)


@PRECISIONS
@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_of_the_entropy_and_running_statistics(kernels, activation, offset, dtype, tolerance):
    """Far from zero too, where a variance computed from the mean of squares would lose all digits."""
    network = random_mlp(activation, 3, dtype, batch_norm=True, bias=False)
    expected_network = copy.deepcopy(network)
    eta, precision = torch.full((7,), 0.3, dtype=dtype), torch.tensor(2.0, dtype=dtype)
    for count in (2, 32, 77):
        h = rows(count, 7, dtype=dtype) + offset
        noise = rows(5 * count, 7, dtype=dtype).view(5, count, 7)
        x = rows(count, 3, dtype=dtype)
        with torch.no_grad():
            expected = entropy_gradient_by_torch(expected_network, x, h, noise, eta, precision)
        result = kernels[dtype].entropy_gradient(layers_of(network), x, h, noise, eta, precision)
        loose = tolerance * (100 if offset else 10)
        torch.testing.assert_close(result, expected, rtol=loose, atol=loose)
        torch.testing.assert_close(
            network.state_dict(), expected_network.state_dict(), rtol=loose, atol=loose
        )


def test_unsupported_arguments(kernels):
    """Other activations, norms, number types, widths and strides return None and are never read past their end."""
    double, x = kernels[torch.float64], rows(20, 7)
    assert double.value_and_grad(layers_of(random_mlp("silu", 3)), x, None) is not None
    for network in (
        random_mlp("tanh", 3),
        random_mlp("silu", 3, batch_norm=True),
        random_mlp("silu", 3, dtype=torch.float32),
    ):
        assert double.value_and_grad(layers_of(network), x, None) is None
    layers = layers_of(random_mlp("silu", 3))
    for wrong in (x[:, :6].clone(), x.repeat(1, 2), x.flatten(), x.float(), x.t().contiguous().t()):
        assert double.value_and_grad(layers, wrong, None) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert double.value_and_grad(layers, x, None) is None
    evaluated = layers_of(random_mlp("silu", 3, batch_norm=True).eval())
    arguments = (rows(20, 3), x, rows(40, 7).view(2, 20, 7), torch.ones(7), torch.ones(()))
    assert double.entropy_gradient(evaluated, *arguments) is None
    assert double.entropy_gradient(layers, *arguments) is None


def test_weights_that_are_computed_at_every_access(kernels):
    """A parametrised layer's weight is a new tensor each time and must live until the call returns."""
    network = random_mlp("leaky_relu", 3)
    for layer in network.layers:
        if isinstance(layer, torch.nn.Linear):
            torch.nn.utils.parametrizations.weight_norm(layer)
    x = rows(45, 7)
    result = kernels[torch.float64].value_and_grad(layers_of(network), x, None)
    torch.testing.assert_close(result, by_autograd(network, x))


def test_copies_and_pickles_are_none(kernels):
    assert copy.deepcopy(kernels[torch.float64]) is None
    assert pickle.loads(pickle.dumps(kernels[torch.float64])) is None
    assert MLPKernels.load(torch.float16) is None


def test_without_a_compiler_one_line_is_logged(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    library.cache_clear()
    assert MLPKernels.load(torch.float32) is MLPKernels.load(torch.float32) is None
    library.cache_clear()
    missing = "mlp.cpp: not compiled (no C++ compiler: no-such-compiler not found)"
    assert caplog.messages == [f"{missing}; using slower Python code"]


def test_compiling_pays_for_long_trainings_on_one_thread():
    multiplications = 512 * (48 * 100 + 4 * 100 * 100 + 100)
    assert MLPKernels.pays(100 * 100, multiplications)
    assert not MLPKernels.pays(10 * 100, multiplications)
    try:
        torch.set_num_threads(2)
        assert not MLPKernels.pays(10_000 * 100, multiplications)
    finally:
        torch.set_num_threads(1)
