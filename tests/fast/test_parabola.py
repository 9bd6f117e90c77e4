"""Derivatives of networks along a parabola against autograd's double backward passes."""

import pytest
import torch
from helpers.networks import FAST_ACTIVATIONS, random_wideresnet
from torch import nn

from ebmood.fast.parabola import along_parabola, is_piecewise_linear, is_supported


def by_autograd(network, x, v):
    """Logits, their first and second derivative along the parabola, and u; the derivatives have gradients."""
    x = x.clone().requires_grad_(True)
    logits = network(x)
    (u,) = torch.autograd.grad(logits.logsumexp(1).sum(), x, retain_graph=True)
    first, second = [], []
    for logit in logits.unbind(1):
        (score,) = torch.autograd.grad(logit.sum(), x, create_graph=True)
        along_u = (score * u).flatten(1).sum(1)
        if v is None:
            first.append(torch.zeros_like(along_u))
            second.append(along_u)
            continue
        along_v = (score * v).flatten(1).sum(1)
        first.append(along_v)
        (product,) = torch.autograd.grad(along_v.sum(), x, create_graph=True, materialize_grads=True)
        second.append(along_u + (product * v).flatten(1).sum(1))
    return logits, torch.stack(first, 1), torch.stack(second, 1), u


@pytest.mark.parametrize("with_v", [True, False])
@pytest.mark.parametrize("logits", [1, 3])
@pytest.mark.parametrize("activation", FAST_ACTIVATIONS)
@pytest.mark.parametrize("bottleneck", [None, 0.5])
def test_derivatives_and_their_gradients(logits, activation, bottleneck, with_v):
    network = random_wideresnet(2, logits, width=1, activation_name=activation, bottleneck=bottleneck)
    generator = torch.Generator().manual_seed(0)
    x, v = torch.randn(2, 3, 2, 8, 8, generator=generator, dtype=torch.float64).unbind(0)
    ours = along_parabola(network, x, v if with_v else None)
    expected = by_autograd(network, x, v if with_v else None)
    torch.testing.assert_close(tuple(ours), expected, rtol=1e-9, atol=1e-9)
    assert not ours.u.requires_grad
    weights = torch.randn(3, 3, logits, generator=generator, dtype=torch.float64)
    gradients = [
        torch.autograd.grad(
            torch.stack([(w * term).sum() for w, term in zip(weights, side[:3], strict=True)]).sum(),
            list(network.parameters()),
            materialize_grads=True,
        )
        for side in (ours, expected)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("activation", ["leaky_relu", "silu"])
def test_the_network_does_not_change(activation):
    network = random_wideresnet(1, 1, width=1, activation_name=activation)
    x = torch.rand(2, 1, 8, 8, dtype=torch.float64)
    before = network(x)
    along_parabola(network, x, torch.ones_like(x))
    assert torch.equal(network(x), before)
    assert not any(module._forward_hooks for module in network.modules())


def test_which_networks_are_supported():
    assert is_piecewise_linear(random_wideresnet(1, 1, width=1))
    smooth = random_wideresnet(1, 1, width=1, activation_name="silu")
    assert is_supported(smooth)
    assert not is_piecewise_linear(smooth)
    normalised = random_wideresnet(1, 1, width=1, norm="batch")
    assert not is_supported(normalised)
    assert not is_piecewise_linear(normalised)
    assert not is_supported(nn.Sequential(nn.Linear(2, 2), nn.Hardswish()))
