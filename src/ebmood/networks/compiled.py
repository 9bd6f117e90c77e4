"""Passes through an MLP as compiled code (`passes.cpp`), for training on the CPU."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ebmood.networks.native import library
from ebmood.networks.without_autograd import Block

WARM_UP = 4.0
"""Seconds that compiling takes at most, waiting for the compiler included."""

SAVED = 2e-11
"""Seconds saved for each multiplication of a pass forwards, rounded down."""


def pays(passes: int, multiplications: int) -> bool:
    """Whether compiling costs less than it saves, counted beforehand and never timed, so that runs do not differ.

    With several threads torch spreads its products over them, and compiled code would run on one.

    Args:
        passes: of batches through the network.
        multiplications: in each, forwards.
    """
    return torch.get_num_threads() == 1 and passes * multiplications * SAVED > WARM_UP


class CompiledPasses:
    """Passes through any stack of linear layers with one ReLU, leaky ReLU or SiLU between them.

    They are this process's own: a copy or a pickle is None, and what holds it computes eagerly.
    """

    def __init__(self, code: ctypes.CDLL):
        self.code = code

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()

    @classmethod
    def found(cls) -> CompiledPasses | None:
        """From the cache, or compiled now; None, with one line logged, where that cannot be."""
        code = library(Path(__file__).with_name("passes.cpp"))
        return None if code is None else cls(code)

    def fit(self, blocks: Sequence[Block], x: Tensor, chosen: Tensor | None = None) -> bool:
        """Whether they can take these: float32 or float64 on the CPU, all alike, dense, and nothing traced."""
        return (
            _activation(blocks) is not None
            and type(x) is Tensor
            and x.dtype in (torch.float32, torch.float64)
            and all(_plain(tensor, x.dtype) for tensor in (x, *_weights(blocks), *_biases(blocks)))
            and (chosen is None or len(chosen) == len(x))
            and not torch.compiler.is_compiling()
        )

    def gradient(self, blocks: Sequence[Block], x: Tensor, chosen: Tensor | None) -> tuple[Tensor, Tensor]:
        """`x -> f(x), grad F(x)`; see `ebmood.networks.gradients.input_gradient`."""
        logits, found = x.new_empty(len(x), blocks[-1].linear.out_features), torch.empty_like(x)
        chosen = None if chosen is None else chosen.long().contiguous()
        self._call("gradient", blocks, x, chosen, logits, found)
        return logits, found

    def _call(self, name: str, blocks: Sequence[Block], x: Tensor, *more: Tensor | None) -> None:
        bends, slope = _activation(blocks) or (False, 0.0)
        widths = [block.linear.in_features for block in blocks] + [blocks[-1].linear.out_features]
        function = getattr(self.code, f"{name}_{str(x.dtype).removeprefix('torch.')}")
        function(
            ctypes.c_int64(len(blocks)),
            (ctypes.c_int64 * len(widths))(*widths),
            _pointers(_weights(blocks)),
            _pointers(_biases(blocks)),
            ctypes.c_int64(bends),
            ctypes.c_double(slope),
            ctypes.c_int64(len(x)),
            *(ctypes.c_void_p(_address(tensor)) for tensor in (x, *more)),
        )


def _activation(blocks: Sequence[Block]) -> tuple[bool, float] | None:
    """Whether it bends, and its slope below zero where it does not; None if it is written in `passes.cpp` for none."""
    acts = [block.activation for block in blocks[:-1]]
    match acts[0] if acts else None:
        case nn.ReLU():
            return False, 0.0
        case nn.LeakyReLU() as act:
            return False, act.negative_slope
        case nn.SiLU():
            return True, 0.0
        case _:
            return None


def _weights(blocks: Sequence[Block]) -> list[Tensor | None]:
    return [block.linear.weight for block in blocks]


def _biases(blocks: Sequence[Block]) -> list[Tensor | None]:
    return [block.linear.bias for block in blocks]


def _plain(tensor: Tensor | None, dtype: torch.dtype) -> bool:
    return tensor is None or (
        tensor.device.type == "cpu" and tensor.dtype == dtype and tensor.is_contiguous()
    )


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _pointers(tensors: Sequence[Tensor | None]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(tensors))(*map(_address, tensors))
