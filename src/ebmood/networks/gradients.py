"""Gradients of a network's inputs, as chains need them: in closed form where that is written, else by autograd."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ebmood.networks.mlp import MLP
from ebmood.networks.wideresnet import WideResNet

InputGradients = Callable[[Tensor], Tensor]

IMAGES = 32
"""Images that go through a network together on a CPU: their activations stay in its cache, 1.2x as fast as 64."""


def input_gradient(network: nn.Module, cotangent: Callable[[Tensor, slice], Tensor]) -> InputGradients:
    """The function `x -> J(x)' c(f(x))` of a network f with Jacobian J.

    Args:
        network: f, `(N, *shape) -> (N, K)`.
        cotangent: c, `(N, K) -> (N, K)`; with `softmax` the function is the gradient of `logsumexp f`. It is also
            told which rows of x it is asked about: all, or pieces in turn.

    Returns:
        `(N, *shape) -> (N, *shape)`, detached. The next call may overwrite the answer of the last one.
    """
    if isinstance(network, MLP) and not network.batch_norm:
        return network.input_gradient(lambda logits: cotangent(logits, slice(None)))
    apart = isinstance(network, WideResNet) and network.norm is None

    def gradient(x: Tensor) -> Tensor:
        if not apart or x.device.type != "cpu":
            return of_piece(x, slice(None))
        pieces = [slice(start, start + IMAGES) for start in range(0, len(x), IMAGES)]
        return torch.cat([of_piece(x[piece], piece) for piece in pieces])

    def of_piece(x: Tensor, piece: slice) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            logits = network(x)
            # Of the inputs alone: autograd leaves out what only the weights would need.
            return torch.autograd.grad(logits, x, cotangent(logits.detach(), piece).to(logits.dtype))[0]

    return gradient
