"""The Jacobian of a piecewise-linear network, applied to directions.

If all activations are ReLU or LeakyReLU, `J(x) u` is the output of the network for u with its biases set to zero and
with the slopes that its activations have at x: one forward pass, and one backward pass for the gradients of the
weights. Differentiating a gradient with autograd takes the double backward of convolutions, which is twice as slow.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

PIECEWISE_LINEAR = (nn.ReLU, nn.LeakyReLU)
LINEAR = (nn.Linear, nn.Conv2d, nn.Identity)


class DirectionalDerivative(NamedTuple):
    """Logits and their derivatives along a gradient, both with gradients of the parameters.

    Attributes:
        logits: `f(x)`, `(N, K)`.
        derivative: `d/dt f(x + t u)`, `(N, K)`.
        u: the gradient of `logsumexp f` at x, of the shape of x, detached.
    """

    logits: Tensor
    derivative: Tensor
    u: Tensor


def is_piecewise_linear(network: nn.Module) -> bool:
    """Return whether all layers of a network are linear layers, convolutions, ReLU or LeakyReLU."""
    leaves = [module for module in network.modules() if not list(module.children())]
    return all(isinstance(leaf, (*LINEAR, *PIECEWISE_LINEAR)) for leaf in leaves)


def along_gradient(network: nn.Module, x: Tensor) -> DirectionalDerivative:
    """Return the derivative of a piecewise-linear network along the gradient of its logsumexp, which is held fixed.

    Args:
        network: f, for which `is_piecewise_linear` holds.
        x: inputs `(N, *shape)`; not differentiated.
    """
    x = x.detach().requires_grad_(True)
    with _recorded_inputs(network) as activation_inputs:
        logits = network(x)
    (u,) = torch.autograd.grad(logits, x, logits.detach().softmax(1), retain_graph=True)
    biases = {name: torch.zeros_like(p) for name, p in network.named_parameters() if name.endswith("bias")}
    with _fixed_slopes(network, activation_inputs):
        derivative = torch.func.functional_call(network, biases, (u,))
    return DirectionalDerivative(logits, derivative, u)


@contextmanager
def _recorded_inputs(network: nn.Module) -> Iterator[list[Tensor]]:
    """Record the inputs of all activations, in the order of their calls."""
    recorded: list[Tensor] = []
    with _hooked(network, lambda activation, inputs, output: recorded.append(inputs[0].detach())):
        yield recorded


@contextmanager
def _fixed_slopes(network: nn.Module, activation_inputs: list[Tensor]) -> Iterator[None]:
    """Make activations multiply by the slopes that they have at the recorded inputs."""
    remaining = iter(activation_inputs)

    def multiply(activation: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        slope = activation.negative_slope if isinstance(activation, nn.LeakyReLU) else 0.0
        return torch.ops.aten.leaky_relu_backward(inputs[0], next(remaining), slope, False)

    with _hooked(network, multiply):
        yield


@contextmanager
def _hooked(network: nn.Module, hook: Callable[..., Any]) -> Iterator[None]:
    handles = [
        module.register_forward_hook(hook)
        for module in network.modules()
        if isinstance(module, PIECEWISE_LINEAR)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
