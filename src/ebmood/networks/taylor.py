"""Input gradients and curvatures of a stack of linear layers and activations, and *their* gradients, in closed form.

Along the line `x + t v` a layer `a = sigma(z)`, `z = W h + b` carries three numbers, its value and two derivatives in
t, with `z' = W h'` and `z'' = W h''`:

    a' = sigma'(z) z'        a'' = sigma''(z) z'^2 + sigma'(z) z''

A squared gradient needs a line of its own. With `u = J(x)' c(f(x))`, held fixed, `c' d/dt f(x + t u) = |u|^2`, and the
left side's gradient is that of `|u|^2 / 2`: so the gradient of a squared gradient takes one more stream forwards,
and no second pass back. All streams go through W as one matrix product, and so do their gradients on the way back.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ebmood.networks.without_autograd import Block


class Lines(NamedTuple):
    """Logits f(x) `(N, K)` and the derivatives of each along lines; with gradients of weights and biases.

    Attributes:
        value: `f(x)`.
        slope: `d/dt f(x + t v)`, or None without a v.
        bend: `d^2/dt^2 f(x + t v)`, or None without a v or where the layers are piecewise linear: zero there.
        across: `d/dt f(x + t u)`.
        u: `J(x)' c(f(x))`, `(N, D)`, detached.
    """

    value: Tensor
    slope: Tensor | None
    bend: Tensor | None
    across: Tensor
    u: Tensor


def lines(
    blocks: Sequence[Block], x: Tensor, v: Tensor | None, cotangent: Callable[[Tensor], Tensor]
) -> Lines:
    """Values and derivatives at `x` `(N, D)`, along `v` of its shape, and along its own gradient u.

    Args:
        blocks: layers without batch norms, two or more.
        x: inputs.
        v: directions; not differentiated, no more than x is.
        cotangent: c, `(N, K) -> (N, K)`.
    """
    parameters = [p for block in blocks for p in (block.linear.weight, block.linear.bias)]
    bending = any(_bends(block.activation) for block in blocks)
    value, across, u, *along = _Lines.apply(tuple(blocks), bending, x, v, cotangent, *parameters)  # pyright: ignore
    slope = along[0] if along else None
    return Lines(value, slope, along[1] if len(along) > 1 else None, across, u)


class _Lines(torch.autograd.Function):
    """Streams stand in one tensor `(S, N, width)`: value, slope along v, slope along u, bend along v."""

    @staticmethod
    def forward(
        ctx: Any,
        blocks: tuple[Block, ...],
        bending: bool,
        x: Tensor,
        v: Tensor | None,
        cotangent: Callable[[Tensor], Tensor],
        *parameters: Tensor | None,
    ) -> tuple[Tensor, ...]:
        second = bending and v is not None
        firsts = slice(1, 2 if v is None else 3)
        inputs, derivatives = [x.new_empty(firsts.stop, *x.shape)], []
        inputs[0][0] = x
        for i, block in enumerate(blocks):
            z = nn.functional.linear(inputs[i][0], block.linear.weight, block.linear.bias)
            if i < len(blocks) - 1:
                value, *more = _derivatives(block.activation, z, bending, second)
                inputs.append(z.new_empty(firsts.stop + second, *z.shape))
                inputs[-1][0] = value
                derivatives.append(more)
        value, u = z, cotangent(z) @ blocks[-1].linear.weight
        for i in range(len(blocks) - 2, -1, -1):
            u = (u * derivatives[i][0]) @ blocks[i].linear.weight
        if v is not None:
            inputs[0][1] = v
        inputs[0][firsts.stop - 1] = u
        couplings = []
        for i, block in enumerate(blocks):
            h = inputs[i][1:]
            z = (h.flatten(0, 1) @ block.linear.weight.t()).view(len(h), len(x), -1)
            if i < len(blocks) - 1:
                couplings.append(_advance(z, *derivatives[i], out=inputs[i + 1][1:]))
        ctx.blocks, ctx.bending, ctx.second, ctx.along = blocks, bending, second, v is not None
        ctx.inputs, ctx.couplings = inputs, couplings
        ctx.first = [first for first, *_ in derivatives]
        ctx.mark_non_differentiable(u)
        ctx.set_materialize_grads(False)
        rest = () if v is None else (z[0], z[2]) if second else (z[0],)
        return value, z[0 if v is None else 1], u, *rest

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        value, across, _, *along = gradients
        parts = [value, *along[:1], across, *along[1:]]
        start, like = next((i, part) for i, part in enumerate(parts) if part is not None)
        if (
            ctx.bending
        ):  # Piecewise-linear layers keep streams apart: those before the first gradient have none.
            start = 0
        g = torch.stack([torch.zeros_like(like) if part is None else part for part in parts[start:]])
        found: list[Tensor | None] = []
        for i in range(len(ctx.blocks) - 1, -1, -1):
            if i < len(ctx.blocks) - 1:
                g = _retreat(g, ctx.first[i], ctx.couplings[i], ctx.along)
            h = ctx.inputs[i][start:]
            flat = g[: len(h)].flatten(0, 1)  # no bend goes into the first layer
            linear = ctx.blocks[i].linear
            bias = (
                None if linear.bias is None else g[0].sum(0) if start == 0 else torch.zeros_like(linear.bias)
            )
            found[:0] = [flat.t() @ h.flatten(0, 1), bias]
            if i:
                g = (flat @ linear.weight).view(h.shape)
        return (None, None, None, None, None, *found)


def _advance(
    z: Tensor, first: Tensor, next_: Tensor | None, third: Tensor | None, out: Tensor
) -> tuple[Tensor, ...]:
    """Derivatives of an activation's input -> those of its result; and what its gradients will need.

    That is sigma'' z' along v and along u, and `sigma''' z'^2 + sigma'' z''` along v.
    """
    if third is None:
        torch.mul(z, first, out=out)
        return () if next_ is None else tuple((z * next_).unbind(0))
    assert next_ is not None
    torch.mul(z[:2], first, out=out[:2])
    pushes = z[:2] * next_
    torch.mul(pushes[0], z[0], out=out[2])
    curl = (third * z[0]).mul_(z[0])
    if len(z) == 3:
        out[2].addcmul_(first, z[2])
        curl.addcmul_(next_, z[2])
    return pushes[0], pushes[1], curl


def _retreat(g: Tensor, first: Tensor, couplings: tuple[Tensor, ...], along: bool) -> Tensor:
    """Gradients of an activation's streams -> those of its input's."""
    out = g * first
    if couplings:
        for stream, coupling in enumerate(couplings, start=1):
            out[0].addcmul_(coupling, g[stream])
        if along:
            out[1].addcmul_(couplings[0], g[3], value=2)
    return out


def _bends(act: nn.Module | None) -> bool:
    return act is not None and not isinstance(act, nn.ReLU | nn.LeakyReLU)


def _derivatives(
    act: nn.Module | None, z: Tensor, bending: bool, second: bool
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """The activation at z and its first, second and third derivative; the last two if `bending`, if `second`."""
    match act:
        case nn.SiLU():
            s = torch.sigmoid(z)
            ds = torch.addcmul(s, s, s, value=-1)
            dds = torch.addcmul(ds, ds, s, value=-2)
            next_ = (z * dds).add_(ds, alpha=2)
            third = torch.addcmul(ds, ds, ds, value=-6).mul_(z).add_(dds, alpha=3) if second else None
            return z * s, torch.addcmul(s, z, ds), next_, third
        case nn.Softplus():
            s = torch.sigmoid(act.beta * z)
            ds = act.beta * torch.addcmul(s, s, s, value=-1)
            third = act.beta * torch.addcmul(ds, ds, s, value=-2) if second else None
            return nn.functional.softplus(z, act.beta, act.threshold), s, ds, third
        case nn.Tanh():
            a = torch.tanh(z)
            first = 1 - a * a
            return a, first, -2 * a * first, -2 * first * (1 - 3 * a * a) if second else None
        case nn.ELU():
            a = nn.functional.elu(z, act.alpha)
            below = (a + act.alpha).masked_fill_(z > 0, 0)
            return a, below.masked_fill(z > 0, 1), below, below if second else None
        case nn.ReLU() | nn.LeakyReLU():
            slope = act.negative_slope if isinstance(act, nn.LeakyReLU) else 0.0
            first = torch.full_like(z, slope).masked_fill_(z > 0, 1)
            zeros = torch.zeros_like(z) if bending else None
            return z * first, first, zeros, zeros if second else None
        case _:
            raise TypeError(
                f"no derivatives are known here for {type(act).__name__}; add them to `_derivatives`"
            )
