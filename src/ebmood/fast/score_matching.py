"""Input gradients and curvatures of a stack of linear layers and activations, and *their* gradients, in closed form.

With `F = logsumexp f` and `u = grad F(x)` held fixed, score matching asks for one second derivative along a parabola:

    d^2/dt^2 F(x + t v + t^2 u / 2) = v' (d^2 F / dx^2) v + u' grad F

The gradient of `u' grad F` is that of `|grad F|^2 / 2`, so the whole has the gradient of score matching's loss. Along
the parabola a layer `a = sigma(z)`, `z = W h + b` carries three numbers, its value and two derivatives in t:

    a' = sigma'(z) z'        a'' = sigma''(z) z'^2 + sigma'(z) z''

Back again, what belongs to a'' is in proportion to the gradients of F themselves, which the search for u left behind:
it needs no products with W. Where no layer bends and there is one logit, neither does anything else.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ebmood.fast.mlp_gradient import Block
from ebmood.fast.mlp_kernels import CompiledPasses, Layers


class Parabola(NamedTuple):
    """`F = logsumexp f` at rows, and along the parabola `x + t v + t^2 u / 2`; with gradients of weights and biases.

    Attributes:
        value: `F(x)`, `(N,)`.
        second: `d^2/dt^2 F` on the parabola, `(N,)`; without a v `d/dt F(x + t u)`, its last term.
        u: `grad F(x)`, `(N, D)`, detached: `second` takes it for a constant.
    """

    value: Tensor
    second: Tensor
    u: Tensor


def parabola(
    blocks: Sequence[Block], x: Tensor, v: Tensor | None, compiled: CompiledPasses | None = None
) -> Parabola:
    """F and its derivatives at `x` `(N, D)`.

    Args:
        blocks: layers without batch norms, two or more.
        x: inputs.
        v: directions, like x; not differentiated, no more than x is.
        compiled: passes that do what stands between the products, or all of a straight line's, where they can.
    """
    parameters = [p for block in blocks for p in (block.linear.weight, block.linear.bias)]
    return Parabola(*_Parabola.apply(tuple(blocks), compiled, x, v, *parameters))  # pyright: ignore


class _Parabola(torch.autograd.Function):
    """Streams stand in tensors `(S, N, width)`: value, slope along v if there is one, second derivative."""

    @staticmethod
    def forward(
        ctx: Any,
        blocks: tuple[Block, ...],
        compiled: CompiledPasses | None,
        x: Tensor,
        v: Tensor | None,
        *parameters: Tensor | None,
    ) -> tuple[Tensor, ...]:
        bending = any(_bends(block.activation) for block in blocks)
        ctx.blocks, ctx.compiled = blocks, None
        if compiled is not None:
            layers = Layers(blocks)
            if v is None and compiled.straight(layers, x):
                value, second, u, kept = compiled.straight_forth(layers, x)
                ctx.compiled = compiled, layers, kept
                ctx.mark_non_differentiable(u)
                ctx.set_materialize_grads(False)
                return value, second, u
            if v is None or not compiled.bend(layers, x):
                compiled = None
        streams = 2 if v is None else 3
        inputs = [x.new_empty(streams, *x.shape)]
        derivatives: list[tuple[Tensor, Tensor | None, Tensor | None]] = []
        inputs[0][0] = x
        for i, block in enumerate(blocks):
            z = nn.functional.linear(inputs[i][0], block.linear.weight, block.linear.bias)
            if i < len(blocks) - 1:
                inputs.append(z.new_empty(streams, *z.shape))
                if compiled is not None:
                    derivatives.append(compiled.silu(z, inputs[-1][0]))
                else:
                    second, act = bending and v is not None, block.activation
                    derivatives.append(_derivatives(act, z, bending, second, out=inputs[-1][0]))
        # The gradients of F after each activation, and before it, from the last layer to the first; then u.
        above, below = [z.softmax(1)], [z.softmax(1)]
        for block, (first, *_) in zip(blocks[:0:-1], derivatives[::-1], strict=True):
            above.insert(0, below[0] @ block.linear.weight)
            below.insert(0, above[0] * first)
        inputs[0][-1] = u = below[0] @ blocks[0].linear.weight
        if v is not None:
            inputs[0][1] = v
        value, couplings = _logsumexp(z), []
        for i, block in enumerate(blocks):
            h = inputs[i][1:]
            z = (h.flatten(0, 1) @ block.linear.weight.t()).view(len(h), len(x), -1)
            if i < len(blocks) - 1:
                advance = _advance if compiled is None else compiled.advance
                couplings.append(advance(z, *derivatives[i], above[i], out=inputs[i + 1][1:]))
        second = (below[-1] * z[-1]).sum(1)
        if v is not None and z.shape[2] > 1:
            second += (below[-1] * z[0].square()).sum(1) - (below[-1] * z[0]).sum(1).square()
        ctx.retreat = _retreat if compiled is None else compiled.retreat
        ctx.inputs, ctx.below, ctx.couplings = inputs, below, couplings
        ctx.first, ctx.along = [first for first, *_ in derivatives], z
        ctx.straight = z.shape[2] == 1 and not bending
        ctx.mark_non_differentiable(u)
        ctx.set_materialize_grads(False)
        return value, second, u

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        of_value, of_second, _ = gradients
        if of_second is None:
            assert of_value is not None
            of_second = torch.zeros_like(of_value)
        if ctx.compiled is not None:
            compiled, layers, kept = ctx.compiled
            found = compiled.straight_back(layers, kept, of_value, of_second)
        else:
            of_value = None if of_value is None else of_value[:, None]
            gradients_of = _straight if ctx.straight else _streams
            found = gradients_of(ctx, of_value, of_second[:, None].contiguous())
        return (None, None, None, None, *(g for pair in found for g in pair))


Found = list[tuple[Tensor, Tensor | None]]


def _straight(ctx: Any, of_value: Tensor | None, of_second: Tensor) -> Found:
    """Gradients of weights and biases where all streams' are in proportion to those of F."""
    found: Found = []
    for block, h, below in zip(ctx.blocks, ctx.inputs, ctx.below, strict=True):
        joined = h[-1] * of_second
        bias = None if block.linear.bias is None else torch.zeros_like(block.linear.bias)
        if of_value is not None:
            joined.addcmul_(h[0], of_value)
            bias = None if bias is None else below.t() @ of_value[:, 0]
        found.append((below.t() @ joined, bias))
    return found


def _streams(ctx: Any, of_value: Tensor | None, of_second: Tensor) -> Found:
    """Gradients of weights and biases; those of the value and the slope go through every layer."""
    found: Found = []
    g = _at_the_logits(ctx.below[-1], ctx.along, of_value, of_second)
    for i in range(len(ctx.blocks) - 1, -1, -1):
        linear, h = ctx.blocks[i].linear, ctx.inputs[i]
        bias = None if linear.bias is None else g[0].sum(0)
        found.insert(0, (g.flatten(0, 1).t() @ h.flatten(0, 1), bias))
        if i:
            above = (g[:-1].flatten(0, 1) @ linear.weight).view(len(g) - 1, *h.shape[1:])
            g = ctx.retreat(above, ctx.first[i - 1], *ctx.couplings[i - 1], ctx.below[i - 1], of_second)
    return found


def _at_the_logits(share: Tensor, along: Tensor, of_value: Tensor | None, of_second: Tensor) -> Tensor:
    """The gradients of the streams of logits f, whose second derivative is `E f'' + Var f'` with weights `share`."""
    g = share.new_zeros(len(along) + 1, *share.shape)
    weight = share * of_second
    g[-1] = weight
    if share.shape[1] > 1:
        bend = along[-1]
        if len(along) == 2:
            away = along[0] - (share * along[0]).sum(1, keepdim=True)
            g[1] = 2 * weight * away
            bend = bend + away.square()
        g[0] = weight * (bend - (share * bend).sum(1, keepdim=True))
    if of_value is not None:
        g[0] += share * of_value
    return g


def _advance(
    z: Tensor, first: Tensor, next_: Tensor | None, third: Tensor | None, above: Tensor, out: Tensor
) -> tuple[Tensor, ...]:
    """Derivatives of an activation's input -> those of its result; and what its gradients will need.

    That is, for each unit of the second derivative's gradient, which is `above`, the gradient of z; with a v also that
    of z', and for each unit of the gradient of a' that of z.
    """
    torch.mul(z, first, out=out)
    if next_ is None:
        return ()
    if third is None:
        return ((next_ * z[0]).mul_(above),)
    push = next_ * z[0]
    out[1].addcmul_(push, z[0])
    bend = (third * z[0]).mul_(z[0]).addcmul_(next_, z[1]).mul_(above)
    return bend, torch.mul(push, above).mul_(2), push


def _retreat(above: Tensor, first: Tensor, *given: Tensor) -> Tensor:
    """Gradients of an activation's streams, without the last -> those of its input's, with it.

    Given are what `_advance` left, `below`, and the gradient of the second derivative `(N, 1)`.
    """
    *couplings, below, of_second = given
    g = above.new_empty(len(above) + 1, *below.shape)
    torch.mul(above, first, out=g[:-1])
    torch.mul(below, of_second, out=g[-1])
    if couplings:
        g[0].addcmul_(couplings[0], of_second)
    if len(couplings) > 1:
        g[0].addcmul_(couplings[2], above[1])
        g[1].addcmul_(couplings[1], of_second)
    return g


def _logsumexp(logits: Tensor) -> Tensor:
    return logits[:, 0] if logits.shape[1] == 1 else logits.logsumexp(1)


def _bends(act: nn.Module | None) -> bool:
    return act is not None and not isinstance(act, nn.ReLU | nn.LeakyReLU)


def _derivatives(
    act: nn.Module | None, z: Tensor, bending: bool, second: bool, out: Tensor
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """The first three derivatives of the activation at z, the last two if `bending`, if `second`; out is its value."""
    match act:
        case nn.SiLU():
            s = torch.sigmoid(z)
            ds = torch.addcmul(s, s, s, value=-1)
            dds = torch.addcmul(ds, ds, s, value=-2)
            next_ = (z * dds).add_(ds, alpha=2)
            third = torch.addcmul(ds, ds, ds, value=-6).mul_(z).add_(dds, alpha=3) if second else None
            torch.mul(z, s, out=out)
            return torch.addcmul(s, z, ds), next_, third
        case nn.Softplus():
            s = torch.sigmoid(act.beta * z)
            ds = act.beta * torch.addcmul(s, s, s, value=-1)
            third = act.beta * torch.addcmul(ds, ds, s, value=-2) if second else None
            out.copy_(nn.functional.softplus(z, act.beta, act.threshold))
            return s, ds, third
        case nn.Tanh():
            a = torch.tanh(z, out=out)
            first = 1 - a * a
            return first, -2 * a * first, -2 * first * (1 - 3 * a * a) if second else None
        case nn.ELU():
            a = out.copy_(nn.functional.elu(z, act.alpha))
            below = (a + act.alpha).masked_fill_(z > 0, 0)
            return below.masked_fill(z > 0, 1), below, below if second else None
        case nn.ReLU() | nn.LeakyReLU():
            slope = act.negative_slope if isinstance(act, nn.LeakyReLU) else 0.0
            # Not by a mask, whose filling is a branch for every number: fifteen times as slow.
            first = torch.ops.aten.leaky_relu_backward(z.new_ones(()).expand_as(z), z, slope, False)
            zeros = torch.zeros_like(z) if bending else None
            torch.mul(z, first, out=out)
            return first, zeros, zeros if second else None
        case _:
            raise TypeError(
                f"no derivatives are known here for {type(act).__name__}; add them to `_derivatives`"
            )
