"""Input gradients of a wide residual network as compiled code (`convolutions.cpp`), for training on the CPU."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ebmood.fast.native import Compiled, integers, plain, pointers

if TYPE_CHECKING:
    from ebmood.networks.wideresnet import WideResNet


class CompiledConvolutions(Compiled):
    """Logits and input gradients of any WideResNet without batch norm and with ReLUs or leaky ones."""

    SOURCE = Path(__file__).with_name("convolutions.cpp")
    WARM_UP = 5.0  # 4.2 to 4.8 were measured
    SAVED = 1e-11  # 2.5e-11 were measured on Zen 3

    def fit(self, network: WideResNet, x: Tensor, chosen: Tensor | None) -> bool:
        """Whether they can take these: all of its own numbers, on the CPU, and nothing traced or by autocast."""
        parameters = [
            p for layer in (*chain(*layers(network)), network.last) for p in (layer.weight, layer.bias)
        ]
        return (
            _slope(network) is not None
            and type(x) is Tensor
            and x.device.type == "cpu"
            and x.dtype == self.numbers
            and x.ndim == 4
            and x.shape[1] == network.first.in_channels
            and x.numel() > 0
            and all(plain(tensor, x.dtype) for tensor in parameters)
            and (chosen is None or _fit(chosen, len(x), network.outputs))
            and not torch.is_autocast_enabled("cpu")
            and not torch.compiler.is_compiling()
        )

    def gradient(self, network: WideResNet, x: Tensor, chosen: Tensor | None) -> tuple[Tensor, Tensor]:
        """`x -> f(x), grad F(x)`; see `ebmood.networks.gradients.input_gradient`."""
        steps, last, slope = layers(network), network.last, _slope(network)
        convolutions = list(chain(*steps))
        # Held until the call is over: a parametrised layer makes its weight anew whenever it is asked for it.
        weights, biases = [c.weight for c in convolutions], [c.bias for c in convolutions]
        weight, bias = last.weight, last.bias
        shapes = [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0]) for c in convolutions]
        logits, found = x.new_empty(len(x), last.out_features), torch.empty_like(x)
        chosen = None if chosen is None else chosen.long().contiguous()
        given = (
            *(len(steps), integers([len(step) for step in steps]), integers(list(chain(*shapes)))),
            *(pointers(weights), pointers(biases), slope, last.out_features, weight, bias),
            *(len(x), x.shape[2], x.shape[3], x, integers(x.stride())),
            *(chosen, logits, found, integers(found.stride())),
        )
        self.call("gradient", *given)
        return logits, found


def layers(network: WideResNet) -> list[list[nn.Conv2d]]:
    """Convolutions in the order of their calls: one by itself, or those of a block, its shortcut last."""
    found = [[network.first]]
    for stage in network.stages:
        if isinstance(stage, nn.Sequential):
            found += [[layer] for layer in stage if isinstance(layer, nn.Conv2d)]
        else:
            found.append([layer for layer in stage.children() if isinstance(layer, nn.Conv2d)])
    return found


def multiplications(network: WideResNet, height: int, width: int) -> int:
    """Of one image, in convolutions forwards."""
    count = 0
    for step in layers(network):
        high, wide = height, width
        for number, layer in enumerate(step):
            if number == 2:  # the shortcut
                high, wide = height, width
            high, wide = (high - 1) // layer.stride[0] + 1, (wide - 1) // layer.stride[1] + 1
            count += high * wide * layer.weight.numel()
        height, width = high, wide
    return count


def _slope(network: WideResNet) -> float | None:
    """Below zero; None if the activation is another, or there are batch norms."""
    match network.act[1] if network.norm is None else None:
        case nn.ReLU():
            return 0.0
        case nn.LeakyReLU() as act if act.negative_slope >= 0:  # then its result tells its slope
            return float(act.negative_slope)
        case _:
            return None


def _fit(chosen: Tensor, rows: int, outputs: int) -> bool:
    """Whether these are classes of rows."""
    alike = chosen.device.type == "cpu" and chosen.shape == (rows,)
    return alike and int(chosen.min()) >= 0 and int(chosen.max()) < outputs
