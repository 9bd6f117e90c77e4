"""Derivatives of a network along a parabola: the terms of score matching without double backward passes.

With logits f, `F = logsumexp f` and `u = grad F(x)` held fixed, the loss of score matching is a second derivative along
the parabola `x(t) = x + t v + t^2 u / 2` (see `ebmood.fast.score_matching`):

    d^2/dt^2 F(x(t)) = v' (d^2 F / dx^2) v + u' grad F

Both derivatives of f at t = 0 are outputs of the network in which linear layers have no bias. An activation
`a = sigma(z)` maps its value and the two derivatives of its input to

    a' = sigma'(z) z'        a'' = sigma''(z) z'^2 + sigma'(z) z''

(Taylor-mode differentiation.) The gradients of the weights then take one backward pass. Autograd differentiates two
backward passes of convolutions instead, which takes twice the time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ebmood.fast.activations import ACTIVATIONS, activation_derivatives, is_smooth

LINEAR = (nn.Linear, nn.Conv2d, nn.Identity)


class Derivatives(NamedTuple):
    """Logits and their derivatives along a parabola, with gradients of the parameters.

    Attributes:
        logits: `f(x)`, `(N, K)`.
        first: `d/dt f(x(t))`, `(N, K)`; zero if v is None.
        second: `d^2/dt^2 f(x(t))`, `(N, K)`.
        u: the gradient of `logsumexp f` at x, of the shape of x, detached.
    """

    logits: Tensor
    first: Tensor
    second: Tensor
    u: Tensor


def is_supported(network: nn.Module) -> bool:
    """Return whether all layers of a network are linear layers, convolutions or activations with closed forms."""
    leaves = [module for module in network.modules() if not list(module.children())]
    return all(isinstance(leaf, (*LINEAR, *ACTIVATIONS)) for leaf in leaves)


def is_piecewise_linear(network: nn.Module) -> bool:
    """Return whether `is_supported` holds and all activations are ReLU or LeakyReLU."""
    return is_supported(network) and not any(is_smooth(module) for module in network.modules())


def along_parabola(network: nn.Module, x: Tensor, v: Tensor | None) -> Derivatives:
    """Return the derivatives of a network along the parabola of the module's docstring, with u held fixed.

    Args:
        network: f, for which `is_supported` holds.
        x: inputs `(N, *shape)`; not differentiated.
        v: directions like x, not differentiated; None for the derivative along u alone, which is then `second`.
    """
    x = x.detach().requires_grad_(True)
    with _recorded_inputs(network) as activation_inputs:
        logits = network(x)
    (u,) = torch.autograd.grad(logits, x, logits.detach().softmax(1), retain_graph=True)
    biases = {name: torch.zeros_like(p) for name, p in network.named_parameters() if name.endswith("bias")}
    with _activations_of_derivatives(network, activation_inputs):
        stacked = torch.func.functional_call(network, biases, (u if v is None else torch.cat([v, u]),))
    first, second = (torch.zeros_like(stacked), stacked) if v is None else stacked.chunk(2)
    return Derivatives(logits, first, second, u)


@contextmanager
def _recorded_inputs(network: nn.Module) -> Iterator[list[Tensor]]:
    """Record the inputs of all activations, in the order of their calls."""
    recorded: list[Tensor] = []
    with _hooked(network, lambda activation, inputs, output: recorded.append(inputs[0])):
        yield recorded


@contextmanager
def _activations_of_derivatives(network: nn.Module, activation_inputs: list[Tensor]) -> Iterator[None]:
    """Make activations map derivatives of their recorded inputs to derivatives of their outputs."""
    remaining = iter(activation_inputs)

    def propagate(activation: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        z, stacked = next(remaining), inputs[0]
        if is_smooth(activation):
            return _SmoothActivation.apply(activation, z, stacked)  # pyright: ignore
        slope = activation.negative_slope if isinstance(activation, nn.LeakyReLU) else 0.0
        z = z.detach()
        z = z if len(z) == len(stacked) else torch.cat([z, z])
        return torch.ops.aten.leaky_relu_backward(stacked, z, slope, False)

    with _hooked(network, propagate):
        yield


class _SmoothActivation(torch.autograd.Function):
    """The stacked derivatives `(a', a'')` of a smooth activation from `(z', z'')`; or `a''` from `z''` if z' = 0."""

    @staticmethod
    def forward(ctx: Any, activation: nn.Module, z: Tensor, stacked: Tensor) -> Tensor:
        ctx.activation = activation
        ctx.save_for_backward(z, stacked)
        d1, d2, _ = activation_derivatives(activation, z, second=True, third=False, out=torch.empty_like(z))
        dz = _unstacked(stacked, z)
        da = dz * d1
        if len(dz) == 2 and d2 is not None:
            da[1].addcmul_(d2, dz[0].square())
        return da.flatten(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        z, stacked = ctx.saved_tensors
        with_v = len(stacked) > len(z)
        d1, d2, d3 = activation_derivatives(
            ctx.activation, z, second=True, third=with_v, out=torch.empty_like(z)
        )
        assert d2 is not None
        dz, grad = _unstacked(stacked, z), _unstacked(grad, z)
        grad_dz = grad * d1
        if not with_v:
            return None, (d2 * dz[0]).mul_(grad[0]), grad_dz.flatten(0, 1)
        assert d3 is not None
        cross = d2 * dz[0]
        grad_dz[0].addcmul_(cross, grad[1], value=2)
        grad_z = (d3 * dz[0]).mul_(dz[0]).addcmul_(d2, dz[1]).mul_(grad[1]).addcmul_(cross, grad[0])
        return None, grad_z, grad_dz.flatten(0, 1)


def _unstacked(stacked: Tensor, z: Tensor) -> Tensor:
    """Return `(1 or 2, N, ...)` for the stacked derivatives of z."""
    return stacked.unflatten(0, (-1, len(z)))


@contextmanager
def _hooked(network: nn.Module, hook: Callable[..., Any]) -> Iterator[None]:
    handles = [
        module.register_forward_hook(hook) for module in network.modules() if isinstance(module, ACTIVATIONS)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
