"""Wide residual networks (Zagoruyko & Komodakis 2016), with an optional bottleneck.

The network is a 3x3 convolution to 16 channels, three stages of n residual blocks with 16w, 32w and 64w channels, an
activation, the mean over all pixels and a linear layer; its depth is 6n + 4. A block computes `h +
conv(act(conv(act(h))))`; where the shape changes, a 1x1 convolution of `h` replaces the first term. Convolutions have
biases. As in JEM (Grathwohl et al. 2020) and VERA, there is no normalisation by default, and the stride of a stage
belongs to the second convolution of its first block; in the original paper it belongs to the first.

**Bottleneck**: after each stage, two 1x1 convolutions `C -> int(C r) -> C` without an activation between them: a linear
map of rank `int(C r)` in every pixel.

**Initialisation.** Without normalisation the weights must preserve the scale. Every convolution starts as
N(0, 1 / (k m)), where k is the number of its inputs and m is the mean square of the preceding activation of a standard
normal variable (1 without a preceding activation). This preserves unit variance (He et al. 2015, for any activation).
The second convolution of each of the L blocks is divided by sqrt(L), so that the variance grows over L additions by at
most (1 + 1/L)^L < e instead of 2^L (Hayou et al. 2021). The linear layer starts as N(0, 1 / k) and biases start at
zero. PyTorch's default initialisation loses a factor of three in variance in every convolution.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ebmood.networks.activation import Activation, activation

Norm = Literal["batch"]


class WideResNet(nn.Module):
    """The network of the module's docstring.

    Args:
        channels: channels of the images.
        outputs: number of logits K.
        depth: 6n + 4: 10, 16, 22, 28, ...
        width: the factor w.
        strides: strides of the three stages.
        activation_name: the activation.
        slope: negative slope of LeakyReLU.
        norm: `batch` for batch normalisation before every activation, None for none.
        bottleneck: r in (0, 1], or None for no bottleneck; at least one channel remains.
        stride_first: whether the stride belongs to the first convolution of a block, as in the original paper. That
            saves two fifths of the arithmetic at depth 10 and width 2.

    Shapes:
        `(N, channels, H, W) -> (N, K)`, any H and W, in [-1, 1].

    Raises:
        ValueError: the depth is not 6n + 4.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        depth: int = 10,
        width: int = 2,
        strides: Sequence[int] = (1, 2, 2),
        activation_name: Activation = "leaky_relu",
        slope: float = 0.2,
        norm: Norm | None = None,
        bottleneck: float | None = None,
        stride_first: bool = False,
    ):
        super().__init__()
        blocks, rest = divmod(depth - 4, 6)
        if rest or blocks < 1:
            raise ValueError(f"a WideResNet's depth is 6n + 4 (10, 16, 22, 28, ...), not {depth}")
        self.first = nn.Conv2d(channels, 16, 3, padding=1)
        layers: list[nn.Module] = []
        current = 16
        for stage, stage_stride in enumerate(strides):
            stage_channels = 16 * width * 2**stage
            for number in range(blocks):
                stride = stage_stride if number == 0 else 1
                layers.append(
                    Block(current, stage_channels, stride, activation_name, slope, norm, stride_first)
                )
                current = stage_channels
            if bottleneck is not None:
                rank = max(1, int(current * bottleneck))
                layers.append(nn.Sequential(nn.Conv2d(current, rank, 1), nn.Conv2d(rank, current, 1)))
        self.stages = nn.Sequential(*layers)
        self.act = nn.Sequential(_norm(norm, current), activation(activation_name, slope))
        self.last = nn.Linear(current, outputs)
        self._initialise(1 / mean_square(activation(activation_name, slope)))

    def features(self, x: Tensor) -> Tensor:
        """Return the input of the last layer, the mean over all pixels: `(N, channels, H, W) -> (N, 64 width)`."""
        return self.act(self.stages(self.first(x))).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of images `x`."""
        return self.last(self.features(x))

    def _initialise(self, gain: float) -> None:
        blocks = [module for module in self.modules() if isinstance(module, Block)]
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                _normal(module, 1.0)
        for block in blocks:
            _normal(block.conv1, gain)
            _normal(block.conv2, gain / len(blocks))


class Block(nn.Module):
    """One residual block; its formula is in the module's docstring."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        activation_name: Activation,
        slope: float,
        norm: Norm | None,
        stride_first: bool,
    ):
        super().__init__()
        self.act1 = nn.Sequential(_norm(norm, inputs), activation(activation_name, slope))
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride if stride_first else 1, padding=1)
        self.act2 = nn.Sequential(_norm(norm, outputs), activation(activation_name, slope))
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride=1 if stride_first else stride, padding=1)
        same_shape = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same_shape else nn.Conv2d(inputs, outputs, 1, stride=stride)

    def forward(self, h: Tensor) -> Tensor:
        """Return the block's output: `(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)`."""
        return self.shortcut(h) + self.conv2(self.act2(self.conv1(self.act1(h))))


def mean_square(act: nn.Module) -> float:
    """Return `E[act(z)^2]` for z ~ N(0, 1), by Gauss-Hermite quadrature.

    >>> round(mean_square(nn.ReLU()), 3)
    0.5
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    with torch.no_grad():
        values = act(torch.from_numpy(nodes)).square().numpy()
    return float(weights @ values) / math.sqrt(2 * math.pi)


def _norm(norm: Norm | None, channels: int) -> nn.Module:
    return nn.Identity() if norm is None else nn.BatchNorm2d(channels)


def _normal(layer: nn.Conv2d | nn.Linear, gain: float) -> None:
    """Initialise weights as N(0, gain / inputs) and biases as 0."""
    nn.init.normal_(layer.weight, std=math.sqrt(gain / layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
