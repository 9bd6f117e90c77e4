"""Passes through an MLP as compiled code (`passes/`), for training on the CPU."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ebmood.fast.mlp_gradient import Block
from ebmood.fast.native import Compiled, integers, plain, pointers

BLOCK = 32
"""Rows that go through `passes/` together at most, and a multiple of what they are with narrower vectors."""

VECTOR = 64
"""Bytes of a vector at most."""

Kept = tuple[Tensor, ...]


class _Stack(ctypes.Structure):
    """As `passes/stack.h` has it."""

    _fields_ = (
        ("layers", ctypes.c_int64),
        ("widths", ctypes.POINTER(ctypes.c_int64)),
        ("weights", ctypes.POINTER(ctypes.c_void_p)),
        ("biases", ctypes.POINTER(ctypes.c_void_p)),
        ("bends", ctypes.c_int64),
        ("slope", ctypes.c_double),
    )


class _Norms(ctypes.Structure):
    """As `passes/norms.h` has it."""

    _fields_ = (
        ("factors", ctypes.POINTER(ctypes.c_void_p)),
        ("terms", ctypes.POINTER(ctypes.c_void_p)),
        ("running_means", ctypes.POINTER(ctypes.c_void_p)),
        ("running_variances", ctypes.POINTER(ctypes.c_void_p)),
        ("seen", ctypes.POINTER(ctypes.c_void_p)),
        ("epsilon", ctypes.c_double),
        ("momentum", ctypes.c_double),
    )


class Layers:
    """What compiled code is told of blocks, which is to live until its call is over.

    A parametrised layer makes its weight anew whenever it is asked for it.

    Attributes:
        blocks: the same.
        weights, biases: of each layer.
        norms: batch norms, of whichever layers.
        factors, terms, means, variances, seen: of the norms, the last three running.
        widths: of inputs, hidden layers and logits.
        hidden: those of the hidden layers.
        activation: whether it bends, and its slope below zero where it does not; None if C++ has none for it.
    """

    def __init__(self, blocks: Sequence[Block]):
        self.blocks = blocks
        linears = [block.linear for block in blocks]
        self.weights: list[Tensor] = [linear.weight for linear in linears]
        self.biases: list[Tensor | None] = [linear.bias for linear in linears]
        self.norms = [block.norm for block in blocks if block.norm is not None]
        self.factors: list[Tensor] = [norm.weight for norm in self.norms]
        self.terms: list[Tensor] = [norm.bias for norm in self.norms]
        self.means = [norm.running_mean for norm in self.norms]
        self.variances = [norm.running_var for norm in self.norms]
        self.seen = [norm.num_batches_tracked for norm in self.norms]
        self.widths = [linears[0].in_features, *(linear.out_features for linear in linears)]
        self.hidden = self.widths[1:-1]
        self.activation = _written(blocks[0].activation)

    def stack(self) -> Any:
        """For C++."""
        bends, slope = self.activation or (False, 0.0)
        counts, weights, biases = integers(self.widths), pointers(self.weights), pointers(self.biases)
        return ctypes.byref(_Stack(len(self.blocks), counts, weights, biases, int(bends), slope))

    def normed(self) -> Any:
        """For C++, which has running statistics take in a batch's: graphs that wait hold these without reading them.

        None where there are no norms.
        """
        if not self.norms:
            return None
        lists = self.factors, self.terms, self.means, self.variances, self.seen
        first = self.norms[0]
        return ctypes.byref(_Norms(*map(pointers, lists), first.eps, first.momentum))


def _written(act: nn.Module | None) -> tuple[bool, float] | None:
    match act:
        case nn.ReLU():
            return False, 0.0
        case nn.LeakyReLU():
            return False, act.negative_slope
        case nn.SiLU():
            return True, 0.0
        case _:
            return None


class CompiledPasses(Compiled):
    """Passes through any stack of linear layers with one ReLU, leaky ReLU or SiLU between them."""

    SOURCE = Path(__file__).with_name("passes") / "passes.cpp"
    WARM_UP = 7.0  # 5 were measured with AVX2, 7 with tiles
    SAVED = 2e-11

    def fit(self, layers: Layers, x: Tensor, chosen: Tensor | None = None) -> bool:
        """Whether they can take these: of its own numbers, on the CPU, dense, and nothing traced."""
        tensors = (x, *layers.weights, *layers.biases, *layers.factors, *layers.terms)
        return (
            layers.activation is not None
            and type(x) is Tensor
            and x.dtype == self.numbers
            and x.shape[1:] == (layers.widths[0],)
            and all(plain(tensor, x.dtype) for tensor in tensors)
            and (chosen is None or (chosen.device.type == "cpu" and chosen.shape == x.shape[:1]))
            and not torch.compiler.is_compiling()
        )

    def gradient(self, layers: Layers, x: Tensor, chosen: Tensor | None) -> tuple[Tensor, Tensor]:
        """`x -> f(x), grad F(x)`; see `ebmood.networks.gradients.input_gradient`."""
        logits, found = x.new_empty(len(x), layers.widths[-1]), torch.empty_like(x)
        chosen = None if chosen is None else chosen.long().contiguous()
        self.call("gradient", layers.stack(), len(x), x, chosen, logits, found)
        return logits, found

    def straight(self, layers: Layers, x: Tensor) -> bool:
        """Whether `straight_forth` can take these: one logit, and nothing that bends or falls below zero."""
        bends, slope = layers.activation or (True, 0.0)
        return layers.widths[-1] == 1 and self.fit(layers, x) and not bends and slope >= 0

    def straight_forth(self, layers: Layers, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Kept]:
        """The logit at x, and its slope along its gradient u, both `(N,)`; u; and what the way back needs.

        That is, of each layer what it is given, of x and along u, and the logit's gradient behind it (not the last).
        """
        u, value, slope = torch.empty_like(x), x.new_empty(len(x)), x.new_empty(len(x))
        values, slopes, below = (x.new_empty(len(x) * sum(layers.hidden)) for _ in range(3))
        kept = x, u, values, slopes, below
        self.call("straight_forth", layers.stack(), len(x), *kept, value, slope)
        return value, slope, u, kept

    def straight_back(
        self, layers: Layers, kept: Kept, of_value: Tensor | None, of_slope: Tensor
    ) -> list[tuple[Tensor, Tensor | None]]:
        """Gradients of the logit and its slope, both `(N,)`, -> those of each layer's weight and bias."""
        weights = [torch.empty_like(weight) for weight in layers.weights]
        biases = [None if bias is None else torch.empty_like(bias) for bias in layers.biases]
        of_value = None if of_value is None else of_value.contiguous()
        given = of_value, of_slope.contiguous(), pointers(weights), pointers(biases)
        room = of_slope.new_empty(len(of_slope), max(layers.widths))
        own = layers.stack(), len(of_slope), *kept
        self.call("straight_back", *own, *given, room)
        return list(zip(weights, biases, strict=True))

    def normalise(self, layers: Layers, x: Tensor) -> bool:
        """Whether `normalised` and `posterior` can take these.

        That is, batch norms of one kind, in training, are behind all layers but the last.
        """
        kinds = {(norm.training, norm.eps, norm.momentum) for norm in layers.norms}
        return (
            len(layers.norms) == len(layers.hidden)
            and layers.blocks[-1].norm is None
            and len(kinds) == 1
            and layers.norms[0].training
            and layers.norms[0].momentum is not None
            and all(tensor is not None for tensor in layers.factors)
            and all(t is not None and plain(t, x.dtype) for t in (*layers.means, *layers.variances))
            and len(x) > 1
            and self.fit(layers, x)
        )

    def normalised(self, layers: Layers, x: Tensor) -> Tensor:
        """What the layers make of `x` `(N, D)`, with its own statistics, which running ones take in: `(N, K)`."""
        room = x.new_empty(-(-len(x) // BLOCK) * BLOCK, max(layers.widths))
        found = x.new_empty(len(x), layers.widths[-1])
        self.call("normalised", layers.stack(), layers.normed(), len(x), x, room, found)
        return found

    def posterior(
        self,
        layers: Layers,
        x: Tensor,
        h: Tensor,
        noise: Tensor,
        eta: Tensor,
        precision: Tensor,
        half: bool,
    ) -> Tensor:
        """`ebmood.objectives.vera`'s entropy direction of samples x `(N, K)` that the layers made of h `(N, D)`.

        Args:
            layers: for which `normalise` says yes to h.
            x: dense, as all the others are.
            h: what x was made of.
            noise: `(S, N, D)`, of S samples `h + eta * noise` for each row.
            eta: `(D,)`.
            precision: one over the width of x about the generator's mean, squared.
            half: multiply in bfloat16; see `halve`.
        """
        count = len(noise)
        found = torch.empty_like(x)
        room = x.new_empty(count * -(-len(x) // BLOCK) * BLOCK, max(layers.widths))
        given = (len(x), count, h, noise, eta, x, float(precision), room, found)
        name = "half_posterior" if half else "posterior"
        self.call(name, layers.stack(), layers.normed(), *given)
        return found

    def halve(self, layers: Layers, x: Tensor) -> bool:
        """Whether `posterior` can multiply in bfloat16 for these: where there are tiles, in float32 without biases."""
        bare = all(bias is None for bias in layers.biases)
        return bare and x.dtype == torch.float32 and bool(self.code.multiplies_in_tiles())

    def watch(self, layers: Layers, x: Tensor) -> bool:
        """Whether `watched_forth` can take these: with batch norms behind all layers but the last, or with none."""
        if not layers.norms:
            return self.fit(layers, x)
        return self.normalise(layers, x) and min(layers.hidden) * x.element_size() >= VECTOR

    def watched_forth(self, layers: Layers, x: Tensor) -> tuple[Tensor, Kept]:
        """Logits, and what the way back needs: each layer's sums and outputs, and their means and scales."""
        bends, slope = layers.activation or (True, 0.0)
        units = sum(layers.hidden)
        outputs = x.new_empty(len(x) * units)
        # The sign of what comes out tells the slope, and nothing else is asked.
        sums = torch.empty_like(outputs) if layers.norms or bends or slope < 0 else outputs
        kept = sums, outputs, x.new_empty(units), x.new_empty(units)
        logits = x.new_empty(len(x), layers.widths[-1])
        self.call("watched_forth", layers.stack(), layers.normed(), len(x), *kept, x, logits)
        return logits, kept

    def watched_back(
        self, layers: Layers, x: Tensor, kept: Kept, of_logits: Tensor, asked: Sequence[bool]
    ) -> list[Tensor | None]:
        """Gradients of the logits -> those asked for of x, weights, biases, factors and terms, in this order."""
        parameters = layers.weights, layers.biases, layers.factors, layers.terms
        of_x, *found = (
            torch.empty_like(tensor) if tensor is not None and wanted else None
            for tensor, wanted in zip(chain([x], *parameters), asked, strict=True)
        )
        of_parameters = iter(found)
        lists = [pointers(list(islice(of_parameters, len(each)))) for each in parameters]
        room = x.new_empty(2, len(x), max(layers.widths))
        own = layers.stack(), layers.normed(), len(x), *kept
        self.call("watched_back", *own, x, of_logits.contiguous(), of_x, *lists, room)
        return [of_x, *found]

    def bend(self, layers: Layers, x: Tensor) -> bool:
        """Whether `silu`, `advance` and `retreat` can take their streams."""
        return self.fit(layers, x) and (layers.activation or (False, 0.0))[0]

    def silu(self, z: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The first three derivatives of SiLU at z, whose value is written to `value`."""
        found = torch.empty_like(z), torch.empty_like(z), torch.empty_like(z)
        self.call("silu", z.numel(), z, value, *found)
        return found

    def advance(self, z: Tensor, *given: Tensor | None, out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `ebmood.fast.score_matching`; of two streams, as `retreat` is."""
        found = torch.empty_like(out[0]), torch.empty_like(out[0]), torch.empty_like(out[0])
        self.call("advance", out[0].numel(), z, *given, out, *found)
        return found

    def retreat(self, above: Tensor, *given: Tensor) -> Tensor:
        """See `ebmood.fast.score_matching`."""
        _, rows, width = above.shape
        g = above.new_empty(3, rows, width)
        self.call("retreat", rows, width, above, *given, g)
        return g
