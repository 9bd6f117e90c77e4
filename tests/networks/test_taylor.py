"""Derivatives along lines, and their gradients, are those that automatic differentiation finds, to rounding."""

from typing import get_args

import pytest
import torch

from ebmood.networks import MLP, Activation

NAMES = ("value", "across", "slope", "bend")


def by_autograd(network, x, v, u):
    value, across = torch.func.jvp(network.layers, (x,), (u,))
    if v is None:
        return {"value": value, "across": across}

    def slope(x):
        return torch.func.jvp(network.layers, (x,), (v,))[1]

    return dict(zip(NAMES, (value, across, *torch.func.jvp(slope, (x,), (v,))), strict=True))


# torch.func scripts some of its own functions when it first differentiates forwards, which torch itself deplores.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")
@pytest.mark.parametrize("with_v", [True, False])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("activation", get_args(Activation))
def test_lines(activation, outputs, with_v):
    noise = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    network = MLP(5, (20, 30, 20), outputs, activation, 0.2).double()
    x, v = torch.randn(2, 40, 5, generator=noise, dtype=torch.float64).unbind(0)
    found = network.lines(x, v if with_v else None, lambda logits: logits.softmax(1))
    rows = x.clone().requires_grad_(True)
    (u,) = torch.autograd.grad(network(rows).logsumexp(1).sum(), rows)
    torch.testing.assert_close(found.u, u, rtol=1e-11, atol=1e-11)
    expected = by_autograd(network, x, v if with_v else None, u)
    if network.piecewise_linear and with_v:
        assert found.bend is None
        assert expected.pop("bend").abs().max() == 0
    parameters = list(network.parameters())
    for used in (
        {*NAMES},
        {"value"},
        {"across"},
        {"slope"},
        {"bend"},
        {"across", "bend"},
        {"value", "slope"},
    ):
        used = used & {*expected}
        if not used:
            continue
        weights = {
            name: torch.randn(expected[name].shape, generator=noise, dtype=torch.float64)
            for name in sorted(used)
        }
        ours = sum((weights[name] * getattr(found, name)).sum() for name in sorted(used))
        theirs = sum((weights[name] * expected[name]).sum() for name in sorted(used))
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(
            torch.autograd.grad(ours, parameters, retain_graph=True, materialize_grads=True),
            torch.autograd.grad(theirs, parameters, retain_graph=True, materialize_grads=True),
            rtol=1e-10,
            atol=1e-10,
        )
