"""A piecewise-linear network as the linear map that it is about each row: its Jacobian, applied to directions.

Where activations are LeakyReLU or ReLU, `J(x) u` is what the network makes of u with its biases gone and with the
slopes that its activations have at x. One pass, then, and one back for the weights' gradients, where differentiating
a gradient takes autograd through the convolutions' double backward, twice as slow: docs/performance.md.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

SLOPED = (nn.ReLU, nn.LeakyReLU)


class Linearised(NamedTuple):
    """Logits and their slopes along a gradient, with gradients of the parameters.

    Attributes:
        value: `f(x)`, `(N, K)`.
        across: `d/dt f(x + t u)`, `(N, K)`.
        u: the gradient at x of `logsumexp f`, of the shape of x, detached.
    """

    value: Tensor
    across: Tensor
    u: Tensor


def along_gradient(network: nn.Module, x: Tensor) -> Linearised:
    """The network about rows `x` `(N, *shape)`, along the gradient of its logsumexp, which is held fixed.

    Args:
        network: f, of linear layers, convolutions, means and sums, and of modules `ReLU` and `LeakyReLU`.
        x: inputs; not differentiated.
    """
    x = x.detach().requires_grad_(True)
    with _recorded(network) as places:
        value = network(x)
    (u,) = torch.autograd.grad(value, x, value.detach().softmax(1), retain_graph=True)
    biases = {name: torch.zeros_like(p) for name, p in network.named_parameters() if name.endswith("bias")}
    with _with_slopes_at(network, places):
        across = torch.func.functional_call(network, biases, (u,))
    return Linearised(value, across, u)


@contextmanager
def _recorded(network: nn.Module) -> Iterator[list[Tensor]]:
    """Inputs of all activations, in the order in which they are called."""
    places: list[Tensor] = []
    with _hooked(network, lambda act, inputs, result: places.append(inputs[0].detach())):
        yield places


@contextmanager
def _with_slopes_at(network: nn.Module, places: list[Tensor]) -> Iterator[None]:
    """Activations multiply by the slopes that they have at `places`."""
    rest = iter(places)

    def slope(act: nn.Module, inputs: tuple[Tensor, ...], result: Tensor) -> Tensor:
        negative = act.negative_slope if isinstance(act, nn.LeakyReLU) else 0.0
        return torch.ops.aten.leaky_relu_backward(inputs[0], next(rest), negative, False)

    with _hooked(network, slope):
        yield


@contextmanager
def _hooked(network: nn.Module, hook: Callable[..., Any]) -> Iterator[None]:
    handles = [act.register_forward_hook(hook) for act in network.modules() if isinstance(act, SLOPED)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
