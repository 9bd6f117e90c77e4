"""The Jacobian of piecewise-linear networks against autograd's double backward pass."""

import pytest
import torch
from helpers.networks import random_wideresnet
from torch import nn

from ebmood.fast.jacobian import along_gradient, is_piecewise_linear


@pytest.mark.parametrize("logits", [1, 3])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
@pytest.mark.parametrize("bottleneck", [None, 0.5])
def test_derivatives_and_their_gradients(logits, activation, bottleneck):
    network = random_wideresnet(2, logits, width=1, activation_name=activation, bottleneck=bottleneck)
    x = torch.rand(3, 2, 8, 8, dtype=torch.float64)
    value, derivative, u = along_gradient(network, x)
    x.requires_grad_(True)
    expected_value = network(x)
    (score,) = torch.autograd.grad(expected_value.logsumexp(1).sum(), x, create_graph=True)
    torch.testing.assert_close(value, expected_value)
    torch.testing.assert_close(u, score.detach())
    p = expected_value.detach().softmax(1)
    parameters = list(network.parameters())
    ours = torch.autograd.grad((p * derivative).sum(), parameters, materialize_grads=True)
    (directional,) = torch.autograd.grad(
        expected_value, x, p, create_graph=True
    )  # J' p, whose product with u is p' J u
    expected = torch.autograd.grad((directional * u).sum(), parameters, materialize_grads=True)
    for gradient, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-8, atol=1e-10)


def test_the_network_does_not_change():
    network, x = random_wideresnet(1, 1, width=1), torch.rand(2, 1, 8, 8, dtype=torch.float64)
    before = network(x)
    along_gradient(network, x)
    assert torch.equal(network(x), before)
    assert not any(module._forward_hooks for module in network.modules())


def test_which_networks_are_piecewise_linear():
    assert is_piecewise_linear(random_wideresnet(1, 1, width=1))
    assert not is_piecewise_linear(random_wideresnet(1, 1, width=1, activation_name="silu"))
    assert not is_piecewise_linear(random_wideresnet(1, 1, width=1, norm="batch"))
    assert not is_piecewise_linear(nn.Sequential(nn.Linear(2, 2), nn.Hardswish()))
