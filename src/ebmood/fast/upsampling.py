"""Blocks of image generators that double the size, with less arithmetic."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from ebmood.fast.operation import Operation, Plan, reference
from ebmood.networks.resnet_generator import UpBlock, UpConvolution


def operations(plan: Plan) -> Iterator[Operation]:
    """List the operations of the up-blocks of an objective's generator."""
    for module in plan.objective.modules():
        if isinstance(module, UpBlock):
            yield Operation(module, "forward", partial(_up_block, module))
        if isinstance(module, UpConvolution):
            yield Operation(module, "forward", partial(_up_convolution, module))


def _up_block(block: UpBlock, z: Tensor) -> Tensor:
    """Implement `UpBlock.forward`."""
    if not block.training:
        return reference(block, "forward")(z)
    z = z.contiguous(memory_format=torch.channels_last)
    # A 1x1 convolution and nearest-neighbour upsampling commute, and before it there are four times fewer pixels.
    return block.residual(z) + block.up(block.shortcut(z))


def _up_convolution(convolution: UpConvolution, z: Tensor) -> Tensor:
    """Implement `UpConvolution.forward` with 4/9 of its multiplications.

    The nine pixels that an output reads of the upsampled image are copies of four pixels of the input. So the
    operation is a transposed convolution of stride 2 whose 4x4 weights are sums of the nine weights.
    """
    if not convolution.training:
        return reference(convolution, "forward")(z)
    padded = nn.functional.pad(convolution.weight, (1, 1, 1, 1))
    sums = padded[:, :, 1:] + padded[:, :, :-1]
    sums = sums[..., 1:] + sums[..., :-1]
    weight = sums.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)
    return nn.functional.conv_transpose2d(z, weight, convolution.bias, stride=2, padding=1)
