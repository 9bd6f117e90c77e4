"""Wide residual networks (Zagoruyko & Komodakis 2016) as energies use them, with the paper's bottleneck.

A 3x3 convolution to 16 channels, three stages of n residual blocks each of 16w, 32w and 64w channels, an activation,
the mean over all pixels, a linear layer; the depth is 6n + 4. A block adds `conv(act(conv(act(h))))` to `h`, or to a
1x1 convolution of `h` where the shape changes; convolutions have biases. As in JEM (Grathwohl et al. 2020) and VERA
there is no normalisation unless asked for, and a stage's stride stands in the second convolution of its first block;
the network's own paper has it in the first.

**Bottleneck**: after each stage two 1x1 convolutions `C -> int(C r) -> C` with nothing between them, a linear map of
rank `int(C r)` in every pixel.

**Initialisation.** Nothing normalises, so the weights must keep the scale. Every convolution starts as N(0, 1 / (k m)),
k being the number of its inputs and m the mean square of what the activation before it makes of a standard normal (1
where there is none), which hands on unit variance (He et al. 2015, for any activation). The second convolution of each
of the L blocks is divided by sqrt(L), so that L additions let the variance grow by (1 + 1/L)^L < e at most and not by
2^L (Hayou et al. 2021). The linear layer starts as N(0, 1 / k); biases start at zero. PyTorch's own start loses a
factor of three in variance in every convolution.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ebmood.networks.activation import PIECEWISE_LINEAR, Activation, activation
from ebmood.networks.convolutions import CompiledConvolutions, multiplications

Norm = Literal["batch"]


class WideResNet(nn.Module):
    """See the module's head.

    Args:
        channels: of the images.
        outputs: number of logits K.
        depth: 6n + 4: 10, 16, 22, 28, ...
        width: the factor w.
        strides: of the three stages.
        activation_name: the activation.
        slope: LeakyReLU's negative slope.
        norm: `batch` for batch normalisation before every activation, None for none.
        bottleneck: r in (0, 1], or None for no bottleneck; at least one channel is kept.
        stride_first: strides stand in the first convolution of a block, as in the network's own paper. That saves
            two fifths of the arithmetic at 10-2.
        compiled: whether chains of a training use compiled passes; None where that pays. See `expect`.
        size: height and width of the images that `expect` counts with.

    Shapes:
        `(N, channels, H, W) -> (N, K)`, any H and W, in [-1, 1].

    Attributes:
        piecewise_linear: so are the logits, as functions of x: no logit has any curvature.
        passes: compiled ones, where a training has them; see `expect`.

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
        compiled: bool | None = None,
        size: tuple[int, int] = (32, 32),
    ):
        super().__init__()
        self.compiled = compiled
        self.size = size
        self.passes: CompiledConvolutions | None = None
        blocks, rest = divmod(depth - 4, 6)
        if rest or blocks < 1:
            raise ValueError(f"a WideResNet's depth is 6n + 4 (10, 16, 22, 28, ...), not {depth}")
        self.outputs = outputs
        self.norm = norm
        self.piecewise_linear = activation_name in PIECEWISE_LINEAR and norm is None
        self.first = nn.Conv2d(channels, 16, 3, padding=1)
        layers: list[nn.Module] = []
        wide = 16
        for stage, stride in enumerate(strides):
            wider = 16 * width * 2**stage
            for number in range(blocks):
                step = stride if number == 0 else 1
                layers.append(Block(wide, wider, step, activation_name, slope, norm, stride_first))
                wide = wider
            if bottleneck is not None:
                narrow = max(1, int(wide * bottleneck))
                layers.append(nn.Sequential(nn.Conv2d(wide, narrow, 1), nn.Conv2d(narrow, wide, 1)))
        self.stages = nn.Sequential(*layers)
        self.act = nn.Sequential(_norm(norm, wide), activation(activation_name, slope))
        self.last = nn.Linear(wide, outputs)
        self._initialise(1 / mean_square(activation(activation_name, slope)))

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees, the mean over all pixels: `(N, channels, H, W) -> (N, 64 width)`."""
        # Convolutions run faster on channels-last activations, and every layer hands that order on. Weights stay in
        # the usual order, which is no slower and which safetensors asks for.
        h = self.first(x).contiguous(memory_format=torch.channels_last)
        return self.act(self.stages(h)).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of `x`."""
        return self.last(self.features(x))

    def expect(self, passes: int, rows: int) -> None:
        """Time to prepare for a training on a CPU: passes are compiled where that is chosen, or pays and is not barred.

        Compiled passes are for training, and for piecewise-linear networks; in evaluation mode all is eager.

        Args:
            passes: of batches through the network, forwards and back, of which only input gradients are wanted.
            rows: in each.
        """
        work = rows * multiplications(self, *self.size)
        chosen = CompiledConvolutions.pays(passes, work) if self.compiled is None else self.compiled
        able = self.piecewise_linear and not self.last.weight.is_cuda
        self.passes = CompiledConvolutions.found(self.last.weight.dtype) if chosen and able else None

    def _initialise(self, gain: float) -> None:
        blocks = [module for module in self.modules() if isinstance(module, Block)]
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                _normal(module, 1.0)
        for block in blocks:
            _normal(block.conv1, gain)
            _normal(block.conv2, gain / len(blocks))


class Block(nn.Module):
    """One residual block; see the module's head."""

    def __init__(
        self,
        wide: int,
        wider: int,
        stride: int,
        activation_name: Activation,
        slope: float,
        norm: Norm | None,
        stride_first: bool,
    ):
        super().__init__()
        self.act1 = nn.Sequential(_norm(norm, wide), activation(activation_name, slope))
        self.conv1 = nn.Conv2d(wide, wider, 3, stride=stride if stride_first else 1, padding=1)
        self.act2 = nn.Sequential(_norm(norm, wider), activation(activation_name, slope))
        self.conv2 = nn.Conv2d(wider, wider, 3, stride=1 if stride_first else stride, padding=1)
        same = wide == wider and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(wide, wider, 1, stride=stride)

    def forward(self, h: Tensor) -> Tensor:
        """`(N, wide, H, W) -> (N, wider, H / stride, W / stride)`."""
        return self.shortcut(h) + self.conv2(self.act2(self.conv1(self.act1(h))))


def mean_square(act: nn.Module) -> float:
    """`E[act(z)^2]`, z ~ N(0, 1), by quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    with torch.no_grad():
        values = act(torch.from_numpy(nodes)).square().numpy()
    return float(weights @ values) / math.sqrt(2 * math.pi)


def _norm(norm: Norm | None, channels: int) -> nn.Module:
    return nn.Identity() if norm is None else nn.BatchNorm2d(channels)


def _normal(layer: nn.Conv2d | nn.Linear, gain: float) -> None:
    """Weights ~ N(0, gain / inputs), bias 0."""
    nn.init.normal_(layer.weight, std=math.sqrt(gain / layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
