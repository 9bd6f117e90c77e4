"""Passes through an MLP as compiled code (`passes.cpp`), for training on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ebmood.networks.native import Compiled, argument, integers, plain, pointers
from ebmood.networks.without_autograd import Block

BLOCK = 32
"""Rows that go through `passes.cpp` together at most, and a multiple of what they are with narrower vectors."""


class CompiledPasses(Compiled):
    """Passes through any stack of linear layers with one ReLU, leaky ReLU or SiLU between them."""

    SOURCE = Path(__file__).with_name("passes.cpp")
    WARM_UP = 4.0  # 3.5 were measured beside other work
    SAVED = 2e-11

    def fit(self, blocks: Sequence[Block], x: Tensor, chosen: Tensor | None = None) -> bool:
        """Whether they can take these: float32 or float64 on the CPU, all alike, dense, and nothing traced."""
        return (
            _activation(blocks) is not None
            and type(x) is Tensor
            and x.dtype in (torch.float32, torch.float64)
            and x.shape[1:] == (blocks[0].linear.in_features,)
            and all(plain(tensor, x.dtype) for tensor in (x, *_weights(blocks), *_biases(blocks)))
            and (chosen is None or (chosen.device.type == "cpu" and chosen.shape == x.shape[:1]))
            and not torch.compiler.is_compiling()
        )

    def gradient(self, blocks: Sequence[Block], x: Tensor, chosen: Tensor | None) -> tuple[Tensor, Tensor]:
        """`x -> f(x), grad F(x)`; see `ebmood.networks.gradients.input_gradient`."""
        logits, found = x.new_empty(len(x), blocks[-1].linear.out_features), torch.empty_like(x)
        chosen = None if chosen is None else chosen.long().contiguous()
        self._call("gradient", blocks, x, chosen, logits, found)
        return logits, found

    def straight(self, blocks: Sequence[Block], x: Tensor) -> bool:
        """Whether `line` can take these: one logit, and nothing that bends."""
        return (
            blocks[-1].linear.out_features == 1
            and self.fit(blocks, x)
            and not (_activation(blocks) or (True, 0.0))[0]
        )

    def line(self, blocks: Sequence[Block], x: Tensor) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
        """The logit at x and its slope along its gradient u, both `(N,)`, and what their gradients will need.

        That is, of each layer what it is given, `(2, N, width)`, of x and along u, and the gradient of its result.
        """
        inputs = [x.new_empty(2, len(x), block.linear.in_features) for block in blocks]
        below = [x.new_empty(len(x), block.linear.out_features) for block in blocks[:-1]]
        value, slope = x.new_empty(len(x)), x.new_empty(len(x))
        inputs[0][0] = x
        self._call("line", blocks, x, pointers(inputs), pointers(below), value, slope)
        return value, slope, inputs, [*below, x.new_ones(len(x), 1)]

    def normalise(self, blocks: Sequence[Block], x: Tensor) -> bool:
        """Whether `normalised` can take these: a batch norm in training after every layer but the last."""
        norms = [block.norm for block in blocks[:-1]]
        learning = all(norm is not None and norm.training and norm.momentum is not None for norm in norms)
        return learning and blocks[-1].norm is None and len(x) > 1 and self.fit(blocks, x)

    def normalised(self, blocks: Sequence[Block], x: Tensor) -> Tensor:
        """What the blocks make of `x` `(N, D)`, with its own statistics, which running ones take in: `(N, K)`."""
        norms = [block.norm for block in blocks if block.norm is not None]
        widths = [norm.num_features for norm in norms]
        means, variances = x.new_empty(sum(widths)), x.new_empty(sum(widths))
        rows = -(-len(x) // BLOCK) * BLOCK
        room = x.new_empty(rows, max(x.shape[1], *(block.linear.out_features for block in blocks)))
        found = x.new_empty(len(x), blocks[-1].linear.out_features)
        gammas, betas = [norm.weight for norm in norms], [norm.bias for norm in norms]
        more = (pointers(gammas), pointers(betas), float(norms[0].eps), means, variances, room, found)
        self._call("normalised", blocks, x, *more)
        variances *= len(x) / (len(x) - 1)  # as running ones have it
        for norm, mean, variance in zip(norms, means.split(widths), variances.split(widths), strict=True):
            seen, running, spread = norm.num_batches_tracked, norm.running_mean, norm.running_var
            assert seen is not None
            assert running is not None
            assert spread is not None
            assert norm.momentum is not None
            # As data: graphs that wait for their backward pass hold these, without reading them.
            seen.data.add_(1)
            running.data.lerp_(mean, norm.momentum)
            spread.data.lerp_(variance, norm.momentum)
        return found

    def bend(self, blocks: Sequence[Block], x: Tensor) -> bool:
        """Whether `silu`, `advance` and `retreat` can take their streams."""
        return self.fit(blocks, x) and (_activation(blocks) or (False, 0.0))[0]

    def silu(self, z: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The first three derivatives of SiLU at z, whose value is written to `value`."""
        found = torch.empty_like(z), torch.empty_like(z), torch.empty_like(z)
        self.function("silu", z)(*map(argument, (z.numel(), z, value, *found)))
        return found

    def advance(self, z: Tensor, *given: Tensor | None, out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `ebmood.networks.taylor`; of two streams, as `retreat` is."""
        found = torch.empty_like(out[0]), torch.empty_like(out[0]), torch.empty_like(out[0])
        self.function("advance", z)(*map(argument, (out[0].numel(), z, *given, out, *found)))
        return found

    def retreat(self, above: Tensor, *given: Tensor) -> Tensor:
        """See `ebmood.networks.taylor`."""
        _, rows, width = above.shape
        g = above.new_empty(3, rows, width)
        self.function("retreat", g)(*map(argument, (rows, width, above, *given, g)))
        return g

    def _call(self, name: str, blocks: Sequence[Block], x: Tensor, *more: Any) -> None:
        bends, slope = _activation(blocks) or (False, 0.0)
        widths = [block.linear.in_features for block in blocks] + [blocks[-1].linear.out_features]
        # Held until the call is over: a parametrised layer makes its weight anew whenever it is asked for it.
        weights, biases = _weights(blocks), _biases(blocks)
        layers = (pointers(weights), pointers(biases))
        given = (len(blocks), integers(widths), *layers, int(bends), slope, len(x), x)
        self.function(name, x)(*map(argument, (*given, *more)))


def _activation(blocks: Sequence[Block]) -> tuple[bool, float] | None:
    """Whether it bends, and its slope below zero where it does not; None if it is written in `passes.cpp` for none."""
    acts = [block.activation for block in blocks[:-1]]
    match acts[0] if acts else None:
        case nn.ReLU():
            return False, 0.0
        case nn.LeakyReLU() as act:
            return False, act.negative_slope
        case nn.SiLU():
            return True, 0.0
        case _:
            return None


def _weights(blocks: Sequence[Block]) -> list[Tensor | None]:
    return [block.linear.weight for block in blocks]


def _biases(blocks: Sequence[Block]) -> list[Tensor | None]:
    return [block.linear.bias for block in blocks]
