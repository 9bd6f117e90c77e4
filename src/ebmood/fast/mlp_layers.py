"""An MLP as a list of layers, and its value and input gradient without autograd.

Chains need values and input gradients, never gradients of weights. So activations can overwrite their inputs, and
buffers can be reused.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ebmood.networks import MLP


class Layer(NamedTuple):
    """A linear layer, and the batch norm and the activation after it, if any."""

    linear: nn.Linear
    norm: nn.BatchNorm1d | None
    activation: nn.Module | None


def layers_of(network: MLP) -> list[Layer]:
    """Return the layers of an MLP; each starts with a linear layer."""
    groups: list[list[nn.Module | None]] = []
    for module in network.layers:
        if isinstance(module, nn.Linear):
            groups.append([module, None, None])
        else:
            groups[-1][1 if isinstance(module, nn.BatchNorm1d) else 2] = module
    return [Layer(*group) for group in groups]  # pyright: ignore[reportArgumentType]


class InplaceGradient:
    """Logits of an MLP without batch norm, and the gradient of their logsumexp or of chosen logits.

    Args:
        layers: the layers of the MLP.
    """

    def __init__(self, layers: Sequence[Layer]):
        self.hidden = layers[:-1]
        self.last = layers[-1].linear
        self.buffers: list[tuple[Tensor, Tensor, Tensor]] = []
        self.shape = torch.Size()

    @torch.no_grad()
    def __call__(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return logits `(N, K)` and the gradient `(N, D)`.

        Args:
            x: rows `(N, D)`.
            y: classes `(N,)` whose logits are differentiated; None for logsumexp.
        """
        if self.shape != x.shape or not self.buffers or self.buffers[0][0].dtype != x.dtype:
            self._allocate(x)
        h = x
        for layer, (before, after, _) in zip(self.hidden, self.buffers, strict=True):
            _linear(layer.linear, h, out=before)
            h = _activate(layer.activation, before, after)
        logits = nn.functional.linear(h, self.last.weight, self.last.bias)
        weights = logits.softmax(1) if y is None else one_hot(y, self.last.out_features).to(logits.dtype)
        gradient = weights @ self.last.weight
        for i in range(len(self.hidden) - 1, -1, -1):
            before, after, buffer = self.buffers[i]
            gradient = _backward(self.hidden[i].activation, gradient, before, after, buffer)
            out = self.buffers[i - 1][2] if i else torch.empty_like(x)
            gradient = torch.mm(gradient, self.hidden[i].linear.weight, out=out)
        return logits, gradient

    def _allocate(self, x: Tensor) -> None:
        self.shape = x.shape
        self.buffers = []
        for layer in self.hidden:
            before = x.new_empty(len(x), layer.linear.out_features)
            after = before if isinstance(layer.activation, _FROM_OUTPUT) else torch.empty_like(before)
            self.buffers.append((before, after, torch.empty_like(before)))


_FROM_OUTPUT = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Tanh)
"""Activations whose derivative is a function of their output, so that they may overwrite their input."""


def _linear(layer: nn.Linear, x: Tensor, out: Tensor) -> Tensor:
    if layer.bias is None:
        return torch.mm(x, layer.weight.t(), out=out)
    return torch.addmm(layer.bias, x, layer.weight.t(), out=out)


def _activate(activation: nn.Module | None, before: Tensor, after: Tensor) -> Tensor:
    """Write the activation of `before` to `after`, which may be the same tensor, and return it."""
    aten = torch.ops.aten
    match activation:
        case nn.LeakyReLU():
            return aten.leaky_relu.out(before, activation.negative_slope, out=after)
        case nn.ReLU():
            return aten.clamp_min.out(before, 0, out=after)
        case nn.SiLU():
            return aten.silu.out(before, out=after)
        case nn.Softplus():
            return aten.softplus.out(before, activation.beta, activation.threshold, out=after)
        case nn.ELU():
            return aten.elu.out(before, activation.alpha, out=after)
        case nn.Tanh():
            return torch.tanh(before, out=after)
        case _:
            raise TypeError(f"unknown activation {type(activation).__name__}: add it to `_activate`")


def _backward(
    activation: nn.Module | None, gradient: Tensor, before: Tensor, after: Tensor, out: Tensor
) -> Tensor:
    """Write `gradient` times the derivative of the activation to `out` and return it."""
    aten = torch.ops.aten
    match activation:
        case nn.LeakyReLU():
            slope = activation.negative_slope
            return aten.leaky_relu_backward.grad_input(gradient, after, slope, True, grad_input=out)
        case nn.ReLU():
            return aten.threshold_backward.grad_input(gradient, after, 0, grad_input=out)
        case nn.SiLU():
            return aten.silu_backward.grad_input(gradient, before, grad_input=out)
        case nn.Softplus():
            beta, threshold = activation.beta, activation.threshold
            return aten.softplus_backward.grad_input(gradient, before, beta, threshold, grad_input=out)
        case nn.ELU():
            return aten.elu_backward.grad_input(gradient, activation.alpha, 1, 1, True, after, grad_input=out)
        case nn.Tanh():
            return aten.tanh_backward.grad_input(gradient, after, grad_input=out)
        case _:
            raise TypeError(f"unknown activation {type(activation).__name__}: add it to `_backward`")
