"""Compiled logits and input gradients of a wide residual network (`kernels/convolutions.cpp`)."""

from itertools import chain

import torch
from torch import Tensor, nn

from ebmood.fast.native import KERNELS, Compiled, integers, is_plain, pointers
from ebmood.networks import WideResNet


class ConvolutionKernels(Compiled):
    """Functions of WideResNets without batch norm and with ReLU or LeakyReLU."""

    SOURCE = KERNELS / "convolutions.cpp"
    COMPILE_SECONDS = 4.0
    SAVED_SECONDS = 1e-11

    def value_and_grad(
        self, network: WideResNet, x: Tensor, y: Tensor | None
    ) -> tuple[Tensor, Tensor] | None:
        """Return logits `(N, K)` and the gradient `(N, C, H, W)` of their logsumexp, or of `f(x)[y]`.

        None if the library does not support this network or these images.
        """
        if not self._supports(network, x, y):
            return None
        steps, last = convolutions_of(network), network.last
        convolutions = list(chain(*steps))
        # Held until the call returns: a parametrised layer computes its weight again at every access.
        weights, biases = [c.weight for c in convolutions], [c.bias for c in convolutions]
        weight, bias = last.weight, last.bias
        shapes = [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0]) for c in convolutions]
        logits, gradient = x.new_empty(len(x), last.out_features), torch.empty_like(x)
        y = None if y is None else y.long().contiguous()
        self.call(
            "wideresnet_value_and_grad",
            *(len(steps), integers([len(step) for step in steps]), integers(list(chain(*shapes)))),
            *(pointers(weights), pointers(biases), _slope(network), last.out_features, weight, bias),
            *(len(x), x.shape[2], x.shape[3], x, integers(x.stride())),
            *(y, logits, gradient, integers(gradient.stride())),
        )
        return logits, gradient

    def _supports(self, network: WideResNet, x: Tensor, y: Tensor | None) -> bool:
        layers = (*chain(*convolutions_of(network)), network.last)
        parameters = [p for layer in layers for p in (layer.weight, layer.bias)]
        return (
            _slope(network) is not None
            and type(x) is Tensor
            and x.device.type == "cpu"
            and x.dtype == self.dtype
            and x.ndim == 4
            and x.shape[1] == network.first.in_channels
            and x.numel() > 0
            and all(is_plain(tensor, x.dtype) for tensor in parameters)
            and (y is None or _are_classes(y, len(x), network.last.out_features))
        )


def convolutions_of(network: WideResNet) -> list[list[nn.Conv2d]]:
    """Return the convolutions in the order of their calls: single ones, and those of each block, its shortcut last."""
    steps = [[network.first]]
    for stage in network.stages:
        if isinstance(stage, nn.Sequential):
            steps += [[layer] for layer in stage if isinstance(layer, nn.Conv2d)]
        else:
            steps.append([layer for layer in stage.children() if isinstance(layer, nn.Conv2d)])
    return steps


def multiplications(network: WideResNet, height: int, width: int) -> int:
    """Return the number of multiplications in the convolutions of a forward pass of one image."""
    count = 0
    for step in convolutions_of(network):
        out_height, out_width = height, width
        for number, layer in enumerate(step):
            if number == 2:  # the shortcut
                out_height, out_width = height, width
            out_height = (out_height - 1) // layer.stride[0] + 1
            out_width = (out_width - 1) // layer.stride[1] + 1
            count += out_height * out_width * layer.weight.numel()
        height, width = out_height, out_width
    return count


def _slope(network: WideResNet) -> float | None:
    """Return the negative slope of the activation; None for other activations and with batch norm."""
    norm, activation = network.act
    match activation:
        case nn.ReLU() if isinstance(norm, nn.Identity):
            return 0.0
        # The kernel derives the slope from the sign of the output.
        case nn.LeakyReLU() if isinstance(norm, nn.Identity) and activation.negative_slope >= 0:
            return float(activation.negative_slope)
        case _:
            return None


def _are_classes(y: Tensor, rows: int, outputs: int) -> bool:
    on_cpu = y.device.type == "cpu" and y.shape == (rows,)
    return on_cpu and int(y.min()) >= 0 and int(y.max()) < outputs
