"""Compiled convolutions: the numbers of the eager ones to rounding, and eager where they cannot be or would not pay."""

import copy
import pickle

import pytest
import torch

from ebmood.fast.convolutions import CompiledConvolutions, multiplications
from ebmood.fast.native import compiler, library
from ebmood.models import EnergyModel, EnergyWideResNet
from ebmood.networks import WideResNet, input_gradient
from ebmood.objectives import CD, SSM

needs_a_compiler = pytest.mark.skipif(
    compiler() is None, reason="no C++ compiler here (CXX, g++, c++, clang++)"
)
DOUBLE = torch.float64


def both(channels: int = 3, outputs: int = 3, dtype=DOUBLE, **settings) -> tuple[WideResNet, WideResNet]:
    """The same network, to be trained with compiled convolutions and without; no bias is zero."""
    torch.manual_seed(0)
    network = WideResNet(channels, outputs, compiled=True, **settings).to(dtype)
    for parameter in network.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, std=0.1)
    eager = copy.deepcopy(network)
    network.expect(1, 1)
    assert network.passes is not None
    return network, eager


def some(count: int, *shape: int, dtype=DOUBLE):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(1), dtype=DOUBLE).to(dtype)


NETWORKS = [
    {"width": 1, "activation_name": "relu"},
    {"channels": 1, "outputs": 1, "bottleneck": 0.1},
    {"width": 3, "strides": (2, 1, 3)},
    {"depth": 16, "width": 1, "stride_first": True, "strides": (1, 2, 4), "slope": 0.01},
]


@needs_a_compiler
@pytest.mark.parametrize("size", [(32, 32), (16, 12), (13, 7), (5, 1), (2, 2)])
@pytest.mark.parametrize("settings", NETWORKS)
def test_logits_and_input_gradients(cache, settings, size):
    """Sizes that 4x4 tiles cover and do not, strides that divide them and do not, channels that fill no vector."""
    network, eager = both(**settings)
    channels = settings.get("channels", 3)
    for count in (1, 2, 5):
        x, y = some(count, channels, *size), torch.arange(count) % network.outputs
        for chosen in (None, y):
            found = input_gradient(network, chosen)(x)
            torch.testing.assert_close(found, input_gradient(eager, chosen)(x), rtol=1e-9, atol=1e-11)


@needs_a_compiler
def test_single_precision(cache):
    """As close to the exact as eager ones are, but for images where rounding takes a unit to the other side of zero."""
    network, eager = both(dtype=torch.float32)
    exact = copy.deepcopy(eager).double()
    x = some(20, 3, 16, 16, dtype=torch.float32)
    logits, gradient = input_gradient(network)(x)
    expected_logits, expected = input_gradient(exact)(x.double())
    torch.testing.assert_close(logits.double(), expected_logits, rtol=1e-5, atol=1e-5)
    away = (gradient - expected).flatten(1).norm(dim=1) / expected.flatten(1).norm(dim=1)
    assert away.median() < 2e-6
    assert away.max() < 2e-2


@needs_a_compiler
def test_images_stand_for_themselves_and_come_out_the_same_each_time(cache):
    """The same company gives the same bits. Another may round otherwise: it does with AVX-512, under GCC 13."""
    gradient = input_gradient(both()[0])
    x = some(5, 3, 12, 12)
    logits, found = (tensor.clone() for tensor in gradient(x))
    for image in range(len(x)):
        alone = gradient(x[image : image + 1].clone())
        torch.testing.assert_close(alone[0][0], logits[image], rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(alone[1][0], found[image], rtol=1e-10, atol=1e-12)
    again = gradient(x)
    assert torch.equal(again[0], logits)
    assert torch.equal(again[1], found)


@needs_a_compiler
def test_images_wherever_their_numbers_lie(cache):
    gradient = input_gradient(both()[0])
    x = some(5, 3, 8, 8)
    logits, found = (tensor.clone() for tensor in gradient(x))
    for other in (
        x.contiguous(memory_format=torch.channels_last),
        x.transpose(2, 3).contiguous().transpose(2, 3),
        torch.stack([x, x], dim=-1)[..., 1],
        x.flip(3).contiguous().flip(3),
    ):
        assert torch.equal(gradient(other)[0], logits)
        assert torch.equal(gradient(other)[1], found)
    one = x[:1].expand(3, 3, 8, 8)
    assert torch.equal(gradient(one)[1], found[:1].expand(3, 3, 8, 8))


@needs_a_compiler
def test_far_out_and_not_finite(cache):
    """What is not finite is not hidden, and stays in its image."""
    network, eager = both()
    x = some(5, 3, 8, 8)
    x[1] *= 1e3
    x[2, 0, 3, 4], x[3, 1, 0, 0] = torch.nan, torch.inf
    (logits, found), (expected_logits, expected) = input_gradient(network)(x), input_gradient(eager)(x)
    finite = [True, True, False, False, True]
    assert found.isfinite().flatten(1).all(1).tolist() == finite
    torch.testing.assert_close(logits[finite], expected_logits[finite], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found[finite], expected[finite], rtol=1e-9, atol=1e-9)


@needs_a_compiler
def test_weights_that_move_are_seen_at_once(cache):
    network, eager = both()
    x, gradient = some(2, 3, 8, 8), input_gradient(network)
    before = gradient(x)[1].clone()
    for each in (network, eager):
        each.stages[1].conv1.weight.data.mul_(1.5)  # which no version counter tells
    torch.testing.assert_close(gradient(x)[1], input_gradient(eager)(x)[1])
    assert not torch.allclose(gradient(x)[1], before)


@needs_a_compiler
def test_weights_that_are_made_when_asked_for(cache):
    network, eager = both()
    for each in (network, eager):
        for layer in list(each.modules()):
            if isinstance(layer, torch.nn.Conv2d):
                torch.nn.utils.parametrizations.weight_norm(layer)
    x = some(2, 3, 8, 8)
    torch.testing.assert_close(input_gradient(network)(x), input_gradient(eager)(x))


@needs_a_compiler
def test_others_are_eager(cache):
    """Evaluation, copies, pickles, weights that lie otherwise, other types."""
    network, eager = both()
    x = some(3, 3, 8, 8)
    expected = input_gradient(eager)(x)
    assert not torch.equal(input_gradient(network)(x)[1], expected[1])  # it is compiled, and rounds elsewhere
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network)), network.eval()):
        assert torch.equal(input_gradient(other)(x)[1], expected[1])
    network.train()
    with pytest.raises(RuntimeError, match="type"):
        input_gradient(network)(x.float())
    for each in (network, eager):
        each.to(memory_format=torch.channels_last)
    assert torch.equal(input_gradient(network)(x)[1], input_gradient(eager)(x)[1])


@needs_a_compiler
def test_bfloat16_by_choice_is_eager(cache):
    network, _ = both(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        assert input_gradient(network)(some(2, 3, 8, 8, dtype=torch.float32))[0].dtype == torch.bfloat16


@needs_a_compiler
def test_what_does_not_fit_is_refused_and_never_read_past(cache):
    network, _ = both()
    x = some(2, 3, 8, 8)
    for wrong in (some(2, 4, 8, 8), some(2, 3, 8), x[:, :2]):
        with pytest.raises(RuntimeError):
            input_gradient(network)(wrong)
    for classes in ([0, 3], [-1, 0]):
        with pytest.raises(RuntimeError):
            input_gradient(network, torch.tensor(classes))(x)


@pytest.mark.parametrize("settings", [{"activation_name": "silu"}, {"norm": "batch"}])
def test_other_networks_compile_nothing(settings):
    network = WideResNet(3, 1, compiled=True, **settings)
    network.expect(1, 1)
    assert network.passes is None


def test_without_a_compiler_all_is_eager_and_one_line_says_so(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    library.cache_clear()
    for _ in range(2):
        network = WideResNet(3, 1, compiled=True)
        network.expect(1, 1)
        assert network.passes is None
    library.cache_clear()
    missing = "convolutions.cpp: not compiled (no C++ compiler: no-such-compiler not found)"
    assert caplog.messages == [f"{missing}; computing eagerly, which is slower"]


def test_short_trainings_are_eager_and_so_are_those_on_several_threads():
    network = WideResNet(3, 1)
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    seen = []
    for layer in convolutions:
        layer.register_forward_hook(
            lambda layer, _, out: seen.append(layer.weight.numel() * out[0, 0].numel())
        )
    network(torch.zeros(1, 3, 32, 28))
    assert multiplications(network, 32, 28) == sum(seen)
    work = 32 * multiplications(network, 32, 32)
    assert CompiledConvolutions.pays(1_000, work)
    assert not CompiledConvolutions.pays(100, work)
    try:
        torch.set_num_threads(2)
        assert not CompiledConvolutions.pays(100_000, work)
    finally:
        torch.set_num_threads(1)
    barred, short = WideResNet(3, 1, compiled=False), WideResNet(3, 1)
    barred.expect(10**6, 32)
    short.expect(100, 32)
    assert barred.passes is short.passes is None


@needs_a_compiler
def test_chains_compile_and_score_matching_does_not(cache):
    for settings, compiles in ((CD(), True), (SSM(), False)):
        model = EnergyModel(WideResNet(1, 3, compiled=True))
        settings.build(model, 3, (1, 8, 8), 0).expect(1, 1)
        assert (model.network.passes is not None) == compiles


def test_keys_of_cells_do_not_know_the_default():
    assert "compiled" not in EnergyWideResNet().model_dump(mode="json", exclude_none=True)
