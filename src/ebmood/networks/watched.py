"""Passes through an MLP that autograd watches, as one compiled pass up and one back down."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ebmood.networks.compiled import CompiledPasses, Layers


def watched(layers: Layers, passes: CompiledPasses, x: Tensor) -> Tensor:
    """What the layers make of `x` `(N, D)`, as torch would have it: `(N, K)`.

    Batch norms use its own statistics, which running ones take in.
    """
    parameters = *layers.weights, *layers.biases, *layers.factors, *layers.terms
    return _Watched.apply(passes, layers, x, *parameters)  # pyright: ignore[reportReturnType]


class _Watched(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, passes: CompiledPasses, layers: Layers, x: Tensor, *parameters: Tensor | None
    ) -> Tensor:
        logits, ctx.kept = passes.watched_forth(layers, x)
        ctx.passes, ctx.layers = passes, layers
        ctx.save_for_backward(x, *parameters)
        return logits

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, *parameters = ctx.saved_tensors
        asked = ctx.needs_input_grad[2:]
        if torch.is_grad_enabled():  # somebody wants the gradient of a gradient
            return None, None, *_by_torch(ctx.layers, x, parameters, asked, gradients)
        return None, None, *ctx.passes.watched_back(ctx.layers, x, ctx.kept, *gradients, asked)


def _by_torch(
    layers: Layers,
    x: Tensor,
    parameters: Sequence[Tensor | None],
    asked: Sequence[bool],
    gradients: Sequence[Tensor],
) -> list[Tensor | None]:
    """The gradients again, by autograd, which can be differentiated; running statistics have seen the batch before."""
    parts = iter(parameters)
    own = layers.weights, layers.biases, layers.factors, layers.terms
    weights, biases, factors, terms = ([next(parts) for _ in each] for each in own)
    z = x
    for i, (block, weight, bias) in enumerate(zip(layers.blocks, weights, biases, strict=True)):
        assert weight is not None
        z = nn.functional.linear(z, weight, bias)
        if block.norm is not None:
            given = {"weight": factors[i], "bias": terms[i], "training": True, "eps": block.norm.eps}
            z = nn.functional.batch_norm(z, None, None, **given)
        z = z if block.activation is None else block.activation(z)
    inputs = [
        tensor
        for tensor, wanted in zip((x, *parameters), asked, strict=True)
        if wanted and tensor is not None
    ]
    found = iter(torch.autograd.grad(z, inputs, gradients, create_graph=True))
    return [next(found) if wanted else None for wanted in asked]
