"""Gradients of a network's inputs, as chains need them: in closed form where that is written, else by autograd."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ebmood.networks.mlp import MLP


def input_gradient(network: nn.Module, cotangent: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The function `x -> J(x)' c(f(x))` of a network f with Jacobian J.

    Args:
        network: f, `(N, *shape) -> (N, K)`.
        cotangent: c, `(N, K) -> (N, K)`; with `softmax` the function is the gradient of `logsumexp f`.

    Returns:
        `(N, *shape) -> (N, *shape)`, detached. The next call may overwrite the answer of the last one.
    """
    if isinstance(network, MLP) and not network.batch_norm:
        return network.input_gradient(cotangent)

    def gradient(x: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            logits = network(x)
            # Of the inputs alone: autograd leaves out what only the weights would need.
            return torch.autograd.grad(logits, x, cotangent(logits.detach()))[0]

    return gradient
