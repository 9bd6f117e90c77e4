"""Compiled functions of an MLP (`kernels/mlp.cpp`)."""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ebmood.fast.mlp_layers import Layer
from ebmood.fast.native import KERNELS, Compiled, integers, is_plain, pointers

BLOCK = 32
"""Largest number of rows of a block in `kernels/mlp.h`, and a multiple of the smaller ones."""


class _MLP(ctypes.Structure):
    """The struct of `kernels/mlp.h`."""

    _fields_ = (
        ("layers", ctypes.c_int64),
        ("widths", ctypes.POINTER(ctypes.c_int64)),
        ("weights", ctypes.POINTER(ctypes.c_void_p)),
        ("biases", ctypes.POINTER(ctypes.c_void_p)),
        ("is_silu", ctypes.c_int64),
        ("slope", ctypes.c_double),
    )


class _BatchNorms(ctypes.Structure):
    """The struct of `kernels/batch_norm.h`."""

    _fields_ = (
        ("weights", ctypes.POINTER(ctypes.c_void_p)),
        ("biases", ctypes.POINTER(ctypes.c_void_p)),
        ("running_means", ctypes.POINTER(ctypes.c_void_p)),
        ("running_variances", ctypes.POINTER(ctypes.c_void_p)),
        ("batches_tracked", ctypes.POINTER(ctypes.c_void_p)),
        ("epsilon", ctypes.c_double),
        ("momentum", ctypes.c_double),
    )


class _Parameters:
    """The parameters of layers, which must live until a call returns.

    A parametrised layer computes its weight again at every access, so each is read once.
    """

    def __init__(self, layers: Sequence[Layer]):
        linears = [layer.linear for layer in layers]
        self.weights: list[Tensor] = [linear.weight for linear in linears]
        self.biases: list[Tensor | None] = [linear.bias for linear in linears]
        self.norms = [layer.norm for layer in layers[:-1] if layer.norm is not None]
        self.norm_weights: list[Tensor] = [norm.weight for norm in self.norms]
        self.norm_biases: list[Tensor] = [norm.bias for norm in self.norms]
        self.widths = [linears[0].in_features, *(linear.out_features for linear in linears)]
        self.activation = layers[0].activation

    def mlp(self) -> Any:
        """Return the C struct of the linear layers and the activation."""
        is_silu = isinstance(self.activation, nn.SiLU)
        slope = self.activation.negative_slope if isinstance(self.activation, nn.LeakyReLU) else 0.0
        counts, weights, biases = integers(self.widths), pointers(self.weights), pointers(self.biases)
        return ctypes.byref(_MLP(len(self.weights), counts, weights, biases, int(is_silu), slope))

    def batch_norms(self) -> Any:
        """Return the C struct of the batch norms; C++ updates their running statistics."""
        columns = (
            self.norm_weights,
            self.norm_biases,
            [norm.running_mean for norm in self.norms],
            [norm.running_var for norm in self.norms],
            [norm.num_batches_tracked for norm in self.norms],
        )
        norm = self.norms[0]
        return ctypes.byref(_BatchNorms(*map(pointers, columns), norm.eps, norm.momentum))


class MLPKernels(Compiled):
    """Functions of MLPs with ReLU, LeakyReLU or SiLU between the layers."""

    SOURCE = KERNELS / "mlp.cpp"
    COMPILE_SECONDS = 2.0
    SAVED_SECONDS = 2e-11

    def value_and_grad(
        self, layers: Sequence[Layer], x: Tensor, y: Tensor | None
    ) -> tuple[Tensor, Tensor] | None:
        """Return logits `(N, K)` and the gradient `(N, D)` of their logsumexp, or of `f(x)[y]`.

        None if the library does not support these layers or rows.
        """
        parameters = _Parameters(layers)
        if parameters.norms or not self._supports(parameters, x):
            return None
        logits, gradient = x.new_empty(len(x), parameters.widths[-1]), torch.empty_like(x)
        y = None if y is None else y.long().contiguous()
        self.call("mlp_value_and_grad", parameters.mlp(), len(x), x, y, logits, gradient)
        return logits, gradient

    def entropy_gradient(
        self,
        layers: Sequence[Layer],
        x: Tensor,
        h: Tensor,
        noise: Tensor,
        eta: Tensor,
        precision: Tensor,
    ) -> Tensor | None:
        """Return `VariationalEntropy.entropy_gradient` of a generator with these layers, `(N, K)`.

        None if the library does not support these layers or rows.

        Args:
            layers: layers with batch norms in training mode after all but the last.
            x: samples of the generator, `(N, K)`.
            h: what they were made from, `(N, D)`.
            noise: standard normal numbers, `(S, N, D)`.
            eta: width of the posterior, `(D,)`.
            precision: `1 / sigma^2`, a scalar.
        """
        parameters = _Parameters(layers)
        if not self._supports_norms(parameters) or not self._supports(parameters, h):
            return None
        gradient = torch.empty_like(x)
        rows = len(noise) * -(-len(x) // BLOCK) * BLOCK
        scratch = x.new_empty(rows, max(parameters.widths))
        arguments = (len(x), len(noise), h, noise, eta, x, float(precision), scratch, gradient)
        self.call("mlp_entropy_gradient", parameters.mlp(), parameters.batch_norms(), *arguments)
        return gradient

    def _supports(self, parameters: _Parameters, x: Tensor) -> bool:
        tensors = (x, *parameters.weights, *parameters.biases)
        return (
            isinstance(parameters.activation, nn.ReLU | nn.LeakyReLU | nn.SiLU)
            and type(x) is Tensor
            and x.shape[1:] == (parameters.widths[0],)
            and all(is_plain(tensor, self.dtype) for tensor in tensors)
            and not torch.is_autocast_enabled("cpu")
            and not torch.compiler.is_compiling()
        )

    def _supports_norms(self, parameters: _Parameters) -> bool:
        norms = parameters.norms
        kinds = {(norm.training, norm.eps, norm.momentum) for norm in norms}
        return (
            len(norms) == len(parameters.weights) - 1
            and len(kinds) == 1
            and norms[0].training
            and norms[0].momentum is not None
            and all(norm.affine and norm.track_running_stats for norm in norms)
            and all(
                is_plain(tensor, self.dtype)
                for norm in norms
                for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var)
            )
        )
