"""The gradient of the entropy in VERA, for generators that are MLPs."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from ebmood.fast.mlp import load_kernels
from ebmood.fast.mlp_kernels import MLPKernels
from ebmood.fast.mlp_layers import Layer, layers_of
from ebmood.fast.operation import Operation, Plan, reference
from ebmood.networks import MLP, supports_bf16
from ebmood.objectives import VariationalEntropy


def operations(plan: Plan) -> Iterator[Operation]:
    """List the operation of VERA with an MLP generator, if it is compiled."""
    vera = plan.inner
    if not isinstance(vera, VariationalEntropy) or not isinstance(vera.generator.network, MLP):
        return
    layers = layers_of(vera.generator.network)
    if vera.settings.precision == "bf16" and supports_bf16("cpu"):
        return
    kernels = load_kernels(plan, layers, plan.steps * vera.settings.posterior_samples)
    if kernels is not None:
        yield Operation(vera, "entropy_gradient", partial(_entropy_gradient, vera, layers, kernels))


@torch.no_grad()
def _entropy_gradient(
    vera: VariationalEntropy, layers: list[Layer], kernels: MLPKernels, x: Tensor, h: Tensor, noise: Tensor
) -> Tensor:
    """Implement `VariationalEntropy.entropy_gradient`."""
    if vera.training:
        eta, precision = vera.log_eta.exp(), (-2 * vera.generator.log_sigma).exp()
        result = kernels.entropy_gradient(layers, x.contiguous(), h.contiguous(), noise, eta, precision)
        if result is not None:
            return result
    return reference(vera, "entropy_gradient")(x, h, noise)
