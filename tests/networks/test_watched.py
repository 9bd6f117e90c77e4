"""Compiled passes that autograd watches: torch's own values and gradients, of everything, and of gradients too."""

import copy

import pytest
import torch
from torch import Tensor, nn

from ebmood.networks import MLP
from ebmood.networks.native import compiler

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C++ compiler here (CXX, g++, c++, clang++)")
ROWS, FEATURES, OUTPUTS = 150, 7, 5  # more rows than a product sums at a time


@pytest.fixture(params=[False, True], ids=["without norms", "norms"])
def batch_norm(request):
    return request.param


@pytest.fixture(params=["leaky_relu", "relu", "silu", "falling"])
def activation(request):
    """The last is a leaky ReLU that falls below zero, so that what comes out does not tell what went in."""
    return request.param


@pytest.fixture
def networks(cache, batch_norm, activation):
    """The same in float64: compiled, and torch's."""
    torch.manual_seed(0)
    name, slope = ("leaky_relu", -0.3) if activation == "falling" else (activation, 0.2)
    hidden = 20, 133, 17
    ours = MLP(
        FEATURES, hidden, OUTPUTS, name, slope, batch_norm, bias=not batch_norm, compiled=True
    ).double()
    for layer in ours.modules():
        if isinstance(layer, nn.BatchNorm1d):
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.bias)
    theirs = copy.deepcopy(ours)
    ours.expect(1, 1)
    assert ours.passes is not None
    return ours, theirs


@pytest.fixture
def x():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(ROWS, FEATURES, generator=generator, dtype=torch.float64) * 3 + 1


def compiled(y: Tensor) -> bool:
    return type(y.grad_fn).__name__ == "_WatchedBackward"


def all_of(network: nn.Module, x: Tensor, second: bool = False) -> list[Tensor]:
    """Logits; gradients of x and of all parameters, of something that no two logits share; running statistics."""
    x = x.clone().requires_grad_(True)
    y = network(x)
    loss = (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)).square().sum()
    if second:
        (found,) = torch.autograd.grad(loss, x, create_graph=True)
        loss = loss + found.square().sum()
    loss.backward()
    found = [parameter.grad for parameter in network.parameters()]
    return [y.detach(), x.grad, *found, *network.buffers()]


@pytest.mark.parametrize("second", [False, True], ids=["gradients", "of gradients"])
def test_values_gradients_and_statistics_are_those_of_torch(networks, x, second):
    ours, theirs = networks
    assert compiled(ours(x))
    assert not compiled(theirs(x))
    torch.testing.assert_close(all_of(ours, x, second), all_of(theirs, x, second), rtol=1e-9, atol=1e-9)


def test_in_float32_they_are_as_near_as_its_numbers(networks, x):
    ours, theirs = (network.float() for network in networks)
    ours.expect(1, 1)
    assert compiled(ours(x.float()))
    theirs(x.float())
    found, expected = all_of(ours, x.float()), all_of(theirs, x.float())
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4 * float(b.abs().max()))


def test_only_what_is_asked_for_gets_a_gradient(networks, x):
    ours, theirs = networks
    for network in networks:
        for parameter in list(network.parameters())[1:]:
            parameter.requires_grad_(False)
    for network in networks:
        network(x).square().sum().backward()
    first, *others = ours.parameters()
    torch.testing.assert_close(first.grad, next(theirs.parameters()).grad, rtol=1e-9, atol=1e-9)
    assert all(parameter.grad is None for parameter in others)

    first.requires_grad_(False)
    rows = [x.clone().requires_grad_(True) for _ in networks]
    for network, own in zip(networks, rows, strict=True):
        network(own).square().sum().backward()
    torch.testing.assert_close(rows[0].grad, rows[1].grad, rtol=1e-9, atol=1e-9)


def test_what_they_cannot_take_is_left_to_torch(networks, x):
    ours, _ = networks
    assert not compiled(ours(x.repeat(1, 2)[:, :FEATURES]))  # rows apart
    assert not compiled(ours.eval()(x))
    assert compiled(ours.train()(x))
    assert not compiled(ours.float()(x.float()))  # which is for others
    ours.expect(1, 1)
    with torch.autocast("cpu", torch.bfloat16):
        assert not compiled(ours(x.float()))
    assert compiled(ours(x.float()))
    assert not compiled(ours.bfloat16()(x.bfloat16()))
    ours.expect(1, 1)
    assert ours.passes is None


def test_parameters_that_changed_on_the_way_are_noticed(networks, x):
    ours, _ = networks
    y = ours(x)
    with torch.no_grad():
        next(ours.parameters()).mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
