"""Passes through a stack of linear layers, batch norms and activations that autograd does not watch.

Most passes of energy models are such: chains and entropies need values and input gradients, never those of weights.
Then activations can overwrite what they read, buffers can be used again, and rows can go through in pieces that
stay in a core's own cache. Measured against autograd on the protocol's networks: docs/performance.md.
"""

from collections.abc import Sequence
from itertools import cycle
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

PIECE = 1_024
"""Rows that go through a layer together: 1,024 x 100 floats in and out stay in a core's second cache."""


class Block(NamedTuple):
    """A linear layer, and what follows it: batch norm and activation, each or none."""

    linear: nn.Linear
    norm: nn.BatchNorm1d | None
    activation: nn.Module | None


def blocks_of(layers: Sequence[nn.Module]) -> list[Block]:
    """The layers as blocks, each of which a linear layer opens."""
    parts: list[list[nn.Module | None]] = []
    for layer in layers:
        if isinstance(layer, nn.Linear):
            parts.append([layer, None, None])
        else:
            parts[-1][1 if isinstance(layer, nn.BatchNorm1d) else 2] = layer
    return [Block(*part) for part in parts]  # pyright: ignore[reportArgumentType]


@torch.no_grad()
def forward(blocks: Sequence[Block], x: Tensor) -> Tensor:
    """What the layers make of `x` `(N, D)`, batch statistics and their running means included: `(N, K)`.

    Each piece is activated only when the next layer reads it, and is in the cache for both. A batch norm needs all
    rows before it can change one, and goes over them by itself.
    """
    rows = PIECE if x.device.type == "cpu" else len(x)
    width = max(block.linear.out_features for block in blocks)
    # Two buffers take turns, since memory fresh from the system costs more than the arithmetic done on it. Where every
    # layer has a batch norm, which writes into memory of its own, one will do, and more of it stays in the cache.
    alone = all(block.norm is not None for block in blocks[:-1])
    turns = x.new_empty(1 if alone else 2, len(x), width).unbind(0)
    z, act = x, None
    for block, buffer in zip(blocks, cycle(turns), strict=False):
        columns = block.linear.out_features
        outputs = buffer.flatten()[: len(x) * columns].view(len(x), columns)
        for piece, output in zip(z.split(rows), outputs.split(rows), strict=True):
            _linear(block.linear, _activate(act, piece, piece), out=output)
        z = outputs if block.norm is None else block.norm(outputs)
        act = block.activation
    return _activate(act, z, z)


def _linear(layer: nn.Linear, x: Tensor, out: Tensor) -> Tensor:
    if layer.bias is None:
        return torch.mm(x, layer.weight.t(), out=out)
    return torch.addmm(layer.bias, x, layer.weight.t(), out=out)


class InputGradient:
    """`ebmood.networks.gradients.input_gradient` of a stack without batch norms.

    The gradient is written into a buffer that the next call uses again.

    Args:
        blocks: the layers of f.
        chosen: which logit of each row, int64 `(N,)`; None for logsumexp f.
    """

    def __init__(self, blocks: Sequence[Block], chosen: Tensor | None):
        self.hidden = blocks[:-1]
        self.last = blocks[-1].linear
        self.weights = None if chosen is None else one_hot(chosen, self.last.out_features)
        self.buffers: list[tuple[Tensor, Tensor, Tensor]] = []
        self.out = torch.empty(0)

    @torch.no_grad()
    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `(N, K)` and the gradient at `x` `(N, D)`."""
        if self.out.shape != x.shape or self.out.dtype != x.dtype:
            self._allocate(x)
        h = x
        for block, (before, after, _) in zip(self.hidden, self.buffers, strict=True):
            _linear(block.linear, h, out=before)
            h = _activate(block.activation, before, after)
        logits = nn.functional.linear(h, self.last.weight, self.last.bias)
        weights = logits.softmax(1) if self.weights is None else self.weights.to(logits.dtype)
        gradient = weights @ self.last.weight
        for i in range(len(self.hidden) - 1, -1, -1):
            before, after, buffer = self.buffers[i]
            gradient = _pull_back(self.hidden[i].activation, gradient, before, after, buffer)
            out = self.buffers[i - 1][2] if i else self.out
            gradient = torch.mm(gradient, self.hidden[i].linear.weight, out=out)
        return logits, gradient

    def _allocate(self, x: Tensor) -> None:
        self.out = torch.empty_like(x)
        self.buffers = []
        for block in self.hidden:
            before = x.new_empty(len(x), block.linear.out_features)
            after = before if _from_result(block.activation) else torch.empty_like(before)
            self.buffers.append((before, after, torch.empty_like(before)))


_FROM_RESULT = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Tanh)
"""Activations whose derivative can be told from their result, so that they may overwrite their input."""


def _from_result(act: nn.Module | None) -> bool:
    return act is None or isinstance(act, _FROM_RESULT)


def in_place(act: nn.Module, z: Tensor) -> Tensor:
    """`act(z)`, written over `z`."""
    return _activate(act, z, z)


def _activate(act: nn.Module | None, before: Tensor, after: Tensor) -> Tensor:
    """The activation of `before`, written to `after`, which may be the same."""
    match act:
        case None:
            return before
        case nn.LeakyReLU():
            return torch.ops.aten.leaky_relu.out(before, act.negative_slope, out=after)
        case nn.ReLU():
            return torch.ops.aten.clamp_min.out(before, 0, out=after)
        case nn.SiLU():
            return torch.ops.aten.silu.out(before, out=after)
        case nn.Softplus():
            return torch.ops.aten.softplus.out(before, act.beta, act.threshold, out=after)
        case nn.ELU():
            return torch.ops.aten.elu.out(before, act.alpha, out=after)
        case nn.Tanh():
            return torch.tanh(before, out=after)
        case _:
            return after.copy_(act(before))


def _pull_back(act: nn.Module | None, gradient: Tensor, before: Tensor, after: Tensor, out: Tensor) -> Tensor:
    """`gradient` times the activation's derivative, written to `out`, which may be `gradient`."""
    aten = torch.ops.aten
    match act:
        case None:
            return gradient
        case nn.LeakyReLU():
            return aten.leaky_relu_backward.grad_input(
                gradient, after, act.negative_slope, True, grad_input=out
            )
        case nn.ReLU():
            return aten.threshold_backward.grad_input(gradient, after, 0, grad_input=out)
        case nn.SiLU():
            return aten.silu_backward.grad_input(gradient, before, grad_input=out)
        case nn.Softplus():
            return aten.softplus_backward.grad_input(
                gradient, before, act.beta, act.threshold, grad_input=out
            )
        case nn.ELU():
            return aten.elu_backward.grad_input(gradient, act.alpha, 1, 1, True, after, grad_input=out)
        case nn.Tanh():
            return aten.tanh_backward.grad_input(gradient, after, grad_input=out)
        case _:
            raise TypeError(f"no derivative is known here for {type(act).__name__}; add it to `_pull_back`")
