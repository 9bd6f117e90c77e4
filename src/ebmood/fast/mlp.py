"""Operations of energies on MLPs: the value and input gradient, and the terms of score matching."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from ebmood.fast.activations import ACTIVATIONS
from ebmood.fast.mlp_kernels import MLPKernels
from ebmood.fast.mlp_layers import InplaceGradient, Layer, layers_of
from ebmood.fast.operation import Operation, Plan, reference
from ebmood.fast.score_matching import second_order
from ebmood.models import EnergyModel, ScoreMatchingTerms, log_density_of
from ebmood.networks import MLP
from ebmood.objectives import ContrastiveDivergence


def operations(plan: Plan) -> Iterator[Operation]:
    """List the operations of an energy model on an MLP without batch norm."""
    model = plan.objective.model
    # Exactly an EnergyModel: subclasses may compute other logits from the network.
    if type(model) is not EnergyModel or not isinstance(model.network, MLP):
        return
    layers = layers_of(model.network)
    hidden = layers[:-1]
    if not hidden or any(layer.norm or not isinstance(layer.activation, ACTIVATIONS) for layer in hidden):
        return
    kernels = load_kernels(plan, layers, _gradient_passes(plan))
    function = partial(_value_and_grad, model, layers, InplaceGradient(layers), kernels)
    yield Operation(model, "value_and_grad", function)
    yield Operation(model, "score_matching_terms", partial(_score_matching_terms, model, layers))


def load_kernels(plan: Plan, layers: list[Layer], passes: int) -> MLPKernels | None:
    """Return the compiled library if the plan asks for it, or if compiling pays for so many passes of a batch."""
    weight = layers[0].linear.weight
    multiplications = plan.rows * sum(layer.linear.weight.numel() for layer in layers)
    is_compiled = MLPKernels.pays(passes, multiplications) if plan.compile is None else plan.compile
    return MLPKernels.load(weight.dtype) if is_compiled and weight.device.type == "cpu" else None


def _gradient_passes(plan: Plan) -> int:
    if isinstance(plan.inner, ContrastiveDivergence):
        return plan.steps * plan.inner.settings.chain.steps
    return 0


def _value_and_grad(
    model: EnergyModel,
    layers: list[Layer],
    inplace: InplaceGradient,
    kernels: MLPKernels | None,
    x: Tensor,
    y: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Implement `EnergyModel.value_and_grad`."""
    if not model.training or torch.is_autocast_enabled(x.device.type) or torch.compiler.is_compiling():
        return reference(model, "value_and_grad")(x, y)
    x = x.detach()
    result = None if kernels is None else kernels.value_and_grad(layers, x, y)
    logits, gradient = inplace(x, y) if result is None else result
    value = log_density_of(logits, y)
    return value, gradient


def _score_matching_terms(
    model: EnergyModel, layers: list[Layer], x: Tensor, v: Tensor | None
) -> ScoreMatchingTerms:
    """Implement `EnergyModel.score_matching_terms`."""
    if not model.training or torch.is_autocast_enabled(x.device.type) or torch.compiler.is_compiling():
        return reference(model, "score_matching_terms")(x, v)
    piecewise_linear = all(isinstance(layer.activation, nn.ReLU | nn.LeakyReLU) for layer in layers[:-1])
    if piecewise_linear and layers[-1].linear.out_features == 1:
        v = None  # the curvature is zero
    value, second, u = second_order(layers, x, v)
    square = u.square().sum(1)
    # `second` treats u as a constant: the term u' grad F has the value of |u|^2 and the gradient of |grad F|^2 / 2.
    curvature = torch.zeros_like(square) if v is None else second.detach() - square
    return ScoreMatchingTerms(value, second - 0.5 * square, curvature)
