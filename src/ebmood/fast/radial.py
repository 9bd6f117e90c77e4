"""The radial flow's layers as compiled code (`radial.cpp`), with their gradients, for training on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ebmood.fast.native import Compiled

WARM_UP = 1.5
"""Seconds that compiling takes at most, waiting for the compiler included."""

SAVED = 1e-4
"""Seconds saved in each layer of each step, rounded down; most of it is what autograd costs however few the rows."""

SHARED = 32_768
"""Numbers in a tensor from which on torch spreads eager work over its threads; compiled layers run on one."""


def pays(steps: int, layers: int, numbers: int) -> bool:
    """Whether compiling costs less than it saves, counted beforehand and never timed, so that runs do not differ.

    Args:
        steps: of the training.
        layers: of the flow.
        numbers: in a batch: rows times features.
    """
    alone = torch.get_num_threads() == 1 or numbers < SHARED
    return alone and steps * layers * SAVED > WARM_UP


class CompiledLayers(Compiled):
    """The layers of any radial flow, forwards and backwards."""

    SOURCE = Path(__file__).with_name("radial.cpp")

    def fit(self, x: Tensor, centre: Tensor) -> bool:
        """Whether they can take these: both of its own numbers, on the CPU, and nothing traced or transformed."""
        plain = type(x) is Tensor and x.device.type == "cpu" and not torch.compiler.is_compiling()
        alike = x.dtype == centre.dtype and x.shape[1:] == centre.shape[1:]
        return plain and alike and x.dtype == self.numbers

    def run(self, name: str, tensors: tuple[Tensor, ...]) -> None:
        """Call the function of this name with rows, centres and whatever else it takes."""
        x, centre = tensors[:2]
        self.call(name, len(x), len(centre), x.shape[1], *tensors)

    def __call__(self, x: Tensor, centre: Tensor, alpha: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
        """`RadialFlow.transform` of `x` `(N, D)`, of centres `(L, D)`, and `alpha` and `beta` `(L,)`.

        Differentiable, once, by all four.
        """
        return _Layers.apply(self, x, centre, alpha, beta)  # type: ignore[return-value]  # typed as Any or None


class _Layers(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, layers: CompiledLayers, x: Tensor, centre: Tensor, alpha: Tensor, beta: Tensor
    ) -> tuple[Tensor, Tensor]:
        given = tuple(tensor.contiguous() for tensor in (x, centre, alpha, beta))
        z, log_det = torch.empty_like(given[0]), x.new_empty(len(x))
        layers.run("forward", (*given, z, log_det))
        ctx.layers = layers
        ctx.save_for_backward(*given)
        return z, log_det

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_z: Tensor, by_log_det: Tensor) -> tuple[Tensor | None, ...]:
        x, *parameters = ctx.saved_tensors
        by_x, by_parameters = torch.empty_like(x), tuple(map(torch.zeros_like, parameters))
        given = (x, *parameters, by_z.contiguous(), by_log_det.contiguous())
        ctx.layers.run("backward", (*given, by_x, *by_parameters))
        return None, by_x, *by_parameters
