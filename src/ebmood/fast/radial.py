"""The layers of radial flows: compiled (`kernels/radial.cpp`), or with all logarithms computed at once."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

from ebmood.fast.native import KERNELS, Compiled
from ebmood.fast.operation import Operation, Plan, reference
from ebmood.models import RadialFlow

COMPILE_SECONDS = 1.0
"""Processor seconds that compiling takes, rounded up."""

SAVED_SECONDS = 1e-4
"""Processor seconds saved per layer and step, rounded down. Most of it is the overhead of autograd."""

THREADED = 32_768
"""Numbers in a tensor from which on torch uses several threads; compiled layers use one."""


def operations(plan: Plan) -> Iterator[Operation]:
    """List the operation of a radial flow."""
    flow = plan.objective.model
    if not isinstance(flow, RadialFlow):
        return
    layers, features = flow.centre.shape
    single_thread = torch.get_num_threads() == 1 or plan.rows * features < THREADED
    pays = single_thread and plan.steps * layers * SAVED_SECONDS > COMPILE_SECONDS
    is_compiled = pays if plan.compile is None else plan.compile
    kernels = (
        RadialKernels.load(flow.centre.dtype) if is_compiled and flow.centre.device.type == "cpu" else None
    )
    yield Operation(flow, "transform", partial(_transform, flow, kernels))


def _transform(flow: RadialFlow, kernels: "RadialKernels | None", x: Tensor) -> tuple[Tensor, Tensor]:
    """Implement `RadialFlow.transform`."""
    if not flow.training or torch.compiler.is_compiling():
        return reference(flow, "transform")(x)
    alpha = softplus(flow.raw_alpha)
    beta = softplus(flow.raw_beta) - alpha
    if kernels is not None and kernels.supports(x, flow.centre):
        return _Layers.apply(kernels, x, flow.centre, alpha, beta)  # type: ignore[return-value]  # torch types it as Any | None
    return batched_logarithms(x, flow.centre, alpha, beta)


def batched_logarithms(x: Tensor, centre: Tensor, alpha: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    """Return base points and log-determinants, `(N, D), (N,)`, of layers with parameters `(L, D), (L,), (L,)`."""
    h_of_layers = []
    for centre_l, alpha_l, beta_l in zip(centre, alpha, beta, strict=True):
        difference = x - centre_l
        h = 1 / (alpha_l + torch.linalg.vector_norm(difference, dim=1, keepdim=True))
        x = torch.addcmul(x, beta_l * h, difference)
        h_of_layers.append(h)
    h = torch.cat(h_of_layers, dim=1)
    # 1 + beta h + beta h'(r) r = 1 + alpha beta h^2, since h' = -h^2 and 1 - h r = alpha h.
    log_det = (x.shape[1] - 1) * (beta * h).log1p() + (alpha * beta * h * h).log1p()
    return x, log_det.sum(1)


class RadialKernels(Compiled):
    """The layers of radial flows, forward and backward."""

    SOURCE = KERNELS / "radial.cpp"

    def supports(self, x: Tensor, centre: Tensor) -> bool:
        """Return whether the library can process these rows and centres."""
        same = x.dtype == centre.dtype == self.dtype and x.shape[1:] == centre.shape[1:]
        return same and type(x) is Tensor and x.device.type == "cpu"

    def run(self, name: str, *tensors: Tensor) -> None:
        """Call a function with rows, centres and its other tensors."""
        x, centre = tensors[:2]
        self.call(name, len(x), len(centre), x.shape[1], *tensors)


class _Layers(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, kernels: RadialKernels, x: Tensor, centre: Tensor, alpha: Tensor, beta: Tensor
    ) -> tuple[Tensor, Tensor]:
        inputs = tuple(tensor.contiguous() for tensor in (x, centre, alpha, beta))
        z, log_det = torch.empty_like(inputs[0]), x.new_empty(len(x))
        kernels.run("forward", *inputs, z, log_det)
        ctx.kernels = kernels
        ctx.save_for_backward(*inputs)
        return z, log_det

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_z: Tensor, grad_log_det: Tensor) -> tuple[Tensor | None, ...]:
        x, *parameters = ctx.saved_tensors
        grad_x, grad_parameters = torch.empty_like(x), tuple(map(torch.zeros_like, parameters))
        inputs = (x, *parameters, grad_z.contiguous(), grad_log_det.contiguous())
        ctx.kernels.run("backward", *inputs, grad_x, *grad_parameters)
        return None, grad_x, *grad_parameters
