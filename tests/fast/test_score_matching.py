"""Derivatives along a parabola, and their gradients, equal those of autograd up to rounding."""

import pytest
import torch
from helpers.networks import FAST_ACTIVATIONS

from ebmood.fast.mlp_layers import layers_of
from ebmood.fast.score_matching import second_order
from ebmood.networks import MLP


def by_autograd(network, x, v):
    """F, its second derivative along the parabola or its derivative along u, and u."""
    x = x.clone().requires_grad_(True)
    value = network(x).logsumexp(1)
    (score,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    u = score.detach()
    second = (score * u).sum(1)
    if v is not None:
        (product,) = torch.autograd.grad((score * v).sum(), x, create_graph=True, materialize_grads=True)
        second = second + (product * v).sum(1)
    return value, second, u


@pytest.mark.parametrize("with_v", [True, False])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("activation", FAST_ACTIVATIONS)
def test_second_order(activation, outputs, with_v):
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    network = MLP(5, (20, 30, 20), outputs, activation, 0.2).double()
    x, v = torch.randn(2, 40, 5, generator=generator, dtype=torch.float64).unbind(0)
    v = v if with_v else None
    ours, expected = second_order(layers_of(network), x, v), by_autograd(network, x, v)
    torch.testing.assert_close(tuple(ours), expected, rtol=1e-11, atol=1e-11)
    assert not ours.u.requires_grad
    parameters = list(network.parameters())
    weights = torch.randn(2, 40, generator=generator, dtype=torch.float64)
    for terms in ([0], [1], [0, 1]):
        gradients = [
            torch.autograd.grad(
                sum((weights[i] * side[i]).sum() for i in terms),
                parameters,
                retain_graph=True,
                materialize_grads=True,
            )
            for side in (ours, expected)
        ]
        torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-10)


def test_layers_without_biases():
    torch.manual_seed(0)
    network, x = MLP(5, (20, 20), 1, bias=False).double(), torch.randn(2, 5, dtype=torch.float64)
    parameters = list(network.parameters())
    sides = (second_order(layers_of(network), x, None), by_autograd(network, x, None))
    gradients = [torch.autograd.grad(side[1].sum(), parameters) for side in sides]
    torch.testing.assert_close(*gradients)
