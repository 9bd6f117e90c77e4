"""The terms of score matching of an MLP, and their gradients, in closed form.

With `F = logsumexp f` and `u = grad F(x)` held fixed, the loss of score matching is one second derivative along a
parabola:

    d^2/dt^2 F(x + t v + t^2 u / 2) = v' (d^2 F / dx^2) v + u' grad F

The gradient of `u' grad F` with respect to the weights is that of `|grad F|^2 / 2`, so the whole has the gradient of
the loss. Along the parabola a layer `a = sigma(z)`, `z = W h + b` propagates three streams, its value and two
derivatives in t:

    a' = sigma'(z) z'        a'' = sigma''(z) z'^2 + sigma'(z) z''

(Taylor-mode differentiation.) In the backward pass, the gradients of a'' are proportional to the gradients of F,
which are known from the computation of u: they need no products with W. For one logit and a piecewise-linear network,
all gradients are proportional to them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ebmood.fast.activations import activation_derivatives, is_smooth
from ebmood.fast.mlp_layers import Layer
from ebmood.models import log_density_of


class SecondOrder(NamedTuple):
    """`F = logsumexp f` at rows, and its derivative along a parabola; both have gradients of weights and biases.

    Attributes:
        value: `F(x)`, `(N,)`.
        second: `d^2/dt^2 F(x + t v + t^2 u / 2)`, `(N,)`; without a v only its term `u' grad F`.
        u: `grad F(x)`, `(N, D)`, detached: `second` treats it as a constant.
    """

    value: Tensor
    second: Tensor
    u: Tensor


def second_order(layers: Sequence[Layer], x: Tensor, v: Tensor | None) -> SecondOrder:
    """Return F and its derivatives at `x` `(N, D)`.

    Args:
        layers: two or more layers without batch norm.
        x: rows; not differentiated.
        v: directions like x, not differentiated; None to leave the curvature out.
    """
    parameters = [p for layer in layers for p in (layer.linear.weight, layer.linear.bias)]
    return SecondOrder(*_SecondOrder.apply(tuple(layers), x, v, *parameters))  # pyright: ignore


class _SecondOrder(torch.autograd.Function):
    """Streams are stacked in tensors `(S, N, width)`: value, derivative along v if there is one, second derivative."""

    @staticmethod
    def forward(
        ctx: Any, layers: tuple[Layer, ...], x: Tensor, v: Tensor | None, *parameters: Tensor | None
    ) -> tuple[Tensor, ...]:
        smooth = any(is_smooth(layer.activation) for layer in layers)
        streams = 2 if v is None else 3
        inputs = [x.new_empty(streams, *x.shape)]
        inputs[0][0] = x
        derivatives: list[tuple[Tensor, Tensor | None, Tensor | None]] = []
        for i, layer in enumerate(layers):
            z = nn.functional.linear(inputs[i][0], layer.linear.weight, layer.linear.bias)
            if i < len(layers) - 1:
                inputs.append(z.new_empty(streams, *z.shape))
                third = smooth and v is not None
                derivatives.append(
                    activation_derivatives(layer.activation, z, smooth, third, out=inputs[-1][0])
                )
        # Gradients of F with respect to the output and the input of each activation; then u.
        of_outputs, of_inputs = [z.softmax(1)], [z.softmax(1)]
        for layer, (first, *_) in zip(layers[:0:-1], derivatives[::-1], strict=True):
            of_outputs.insert(0, of_inputs[0] @ layer.linear.weight)
            of_inputs.insert(0, of_outputs[0] * first)
        inputs[0][-1] = u = of_inputs[0] @ layers[0].linear.weight
        if v is not None:
            inputs[0][1] = v
        value, couplings = log_density_of(z), []
        for i, layer in enumerate(layers):
            h = inputs[i][1:]
            z = (h.flatten(0, 1) @ layer.linear.weight.t()).view(len(h), len(x), -1)
            if i < len(layers) - 1:
                couplings.append(_forward_streams(z, *derivatives[i], of_outputs[i], out=inputs[i + 1][1:]))
        second = (of_inputs[-1] * z[-1]).sum(1)
        if v is not None and z.shape[2] > 1:
            mean = (of_inputs[-1] * z[0]).sum(1)
            second += (of_inputs[-1] * z[0].square()).sum(1) - mean.square()
        ctx.layers, ctx.inputs, ctx.of_inputs, ctx.couplings = layers, inputs, of_inputs, couplings
        ctx.first, ctx.logits = [first for first, *_ in derivatives], z
        ctx.proportional = z.shape[2] == 1 and not smooth
        ctx.mark_non_differentiable(u)
        ctx.set_materialize_grads(False)
        return value, second, u

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        grad_value, grad_second, _ = gradients
        if grad_second is None:
            assert grad_value is not None
            grad_second = torch.zeros_like(grad_value)
        grad_value = None if grad_value is None else grad_value[:, None]
        gradients_of = _proportional_gradients if ctx.proportional else _stream_gradients
        pairs = gradients_of(ctx, grad_value, grad_second[:, None].contiguous())
        return (None, None, None, *(gradient for pair in pairs for gradient in pair))


Pairs = list[tuple[Tensor, Tensor | None]]
"""Gradients of the weight and the bias of each layer."""


def _proportional_gradients(ctx: Any, grad_value: Tensor | None, grad_second: Tensor) -> Pairs:
    """Return the gradients where those of all streams are proportional to those of F."""
    pairs: Pairs = []
    for layer, h, of_input in zip(ctx.layers, ctx.inputs, ctx.of_inputs, strict=True):
        combined = h[-1] * grad_second
        bias = None if layer.linear.bias is None else torch.zeros_like(layer.linear.bias)
        if grad_value is not None:
            combined.addcmul_(h[0], grad_value)
            bias = None if bias is None else of_input.t() @ grad_value[:, 0]
        pairs.append((of_input.t() @ combined, bias))
    return pairs


def _stream_gradients(ctx: Any, grad_value: Tensor | None, grad_second: Tensor) -> Pairs:
    """Return the gradients; those of the value and of the first derivative go backward through every layer."""
    pairs: Pairs = []
    g = _logit_gradients(ctx.of_inputs[-1], ctx.logits, grad_value, grad_second)
    for i in range(len(ctx.layers) - 1, -1, -1):
        linear, h = ctx.layers[i].linear, ctx.inputs[i]
        bias = None if linear.bias is None else g[0].sum(0)
        pairs.insert(0, (g.flatten(0, 1).t() @ h.flatten(0, 1), bias))
        if i:
            of_output = (g[:-1].flatten(0, 1) @ linear.weight).view(len(g) - 1, *h.shape[1:])
            coupling = ctx.couplings[i - 1]
            g = _backward_streams(of_output, ctx.first[i - 1], coupling, ctx.of_inputs[i - 1], grad_second)
    return pairs


def _logit_gradients(p: Tensor, streams: Tensor, grad_value: Tensor | None, grad_second: Tensor) -> Tensor:
    """Return the gradients of the logits' streams. The second derivative is `E f'' + Var f'` under the softmax p."""
    g = p.new_zeros(len(streams) + 1, *p.shape)
    weight = p * grad_second
    g[-1] = weight
    if p.shape[1] > 1:
        integrand = streams[-1]
        if len(streams) == 2:
            deviation = streams[0] - (p * streams[0]).sum(1, keepdim=True)
            g[1] = 2 * weight * deviation
            integrand = integrand + deviation.square()
        g[0] = weight * (integrand - (p * integrand).sum(1, keepdim=True))
    if grad_value is not None:
        g[0] += p * grad_value
    return g


def _forward_streams(
    z: Tensor, first: Tensor, second: Tensor | None, third: Tensor | None, of_output: Tensor, out: Tensor
) -> tuple[Tensor, ...]:
    """Write the derivatives of an activation's output to `out`, and return what their gradients will need.

    Args:
        z: derivatives of its input, `(1 or 2, N, width)`.
        first: derivative of the activation at its input.
        second: second derivative, or None.
        third: third derivative, or None.
        of_output: gradient of F with respect to its output, which is that of the second derivative up to a factor.
        out: derivatives of its output, like z.

    Returns:
        Per unit of the gradient of the second derivative: the gradient of z, with a v also that of z'; and per unit
        of the gradient of a' that of z.
    """
    torch.mul(z, first, out=out)
    if second is None:
        return ()
    if third is None:
        return ((second * z[0]).mul_(of_output),)
    cross = second * z[0]
    out[1].addcmul_(cross, z[0])
    value = (third * z[0]).mul_(z[0]).addcmul_(second, z[1]).mul_(of_output)
    return value, torch.mul(cross, of_output).mul_(2), cross


def _backward_streams(
    of_output: Tensor, first: Tensor, coupling: tuple[Tensor, ...], of_input: Tensor, grad_second: Tensor
) -> Tensor:
    """Return the gradients of the streams of an activation's input from those of its output.

    Args:
        of_output: gradients of the output's streams without the second derivative.
        first: derivative of the activation.
        coupling: what `_forward_streams` returned.
        of_input: gradient of F with respect to the input.
        grad_second: gradient of the second derivative, `(N, 1)`.
    """
    g = of_output.new_empty(len(of_output) + 1, *of_input.shape)
    torch.mul(of_output, first, out=g[:-1])
    torch.mul(of_input, grad_second, out=g[-1])
    if coupling:
        g[0].addcmul_(coupling[0], grad_second)
    if len(coupling) > 1:
        g[0].addcmul_(coupling[2], of_output[1])
        g[1].addcmul_(coupling[1], grad_second)
    return g
