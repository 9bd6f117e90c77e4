"""RealNVP (Dinh et al. 2017) on images, through normflows.

A scale is three couplings masked like a checkerboard, a squeeze (2 x 2 pixels become four channels) and three couplings
that mask half of the channels; half of the channels then leave, and the next scale goes on with the rest, in twice the
feature maps. The last scale is four checkerboard couplings. A coupling with mask b is, towards the base,

    z = b y + (1 - b) (y exp(s) + t),    s, t = h(b y),    s = c tanh(.),

h being a residual network that starts at zero and c a learnt factor for each channel. The paper normalises batches
between couplings and inside of h. Here each coupling follows a data-dependent scale and shift (`ActNorm`) and h has
none, so that the density of an image never depends on others.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ebmood.data.dataset import Split
from ebmood.models.density import ModelSettings
from ebmood.models.energy_wideresnet import image_shape
from ebmood.models.flows.image_flow import ActNorm, ImageFlow, check_divisible, normflows
from ebmood.networks.wideresnet import Block

Count = Annotated[int, Field(ge=1)]


class RealNVP(ModelSettings):
    """Settings of RealNVP; the defaults are the paper's.

    Attributes:
        scales: of the multi-scale architecture.
        channels: feature maps of h at the first scale.
        blocks: residual blocks of h.
    """

    kind: Literal["realnvp"] = "realnvp"
    scales: Count = 2
    channels: Count = 32
    blocks: Count = 4

    def build(self, split: Split, outputs: int) -> ImageFlow:
        """See `ModelSettings.build`. Raises `EbmoodError` for rows that are no images, or too small ones."""
        nf = normflows()
        shape = image_shape(split, self.kind)
        check_divisible(shape, self.scales - 1, self.kind)
        levels: list[list[nn.Module]] = []
        channels, height, width = shape
        for scale in range(self.scales):
            wide = self.channels * 2**scale
            last = scale == self.scales - 1
            steps: list[nn.Module] = []
            for number in range(4 if last else 3):
                steps += self._step(checkerboard(height, width, odd=number % 2 == 1), channels, wide)
            if not last:
                channels, height, width = 4 * channels, height // 2, width // 2
                steps.append(nf.flows.Squeeze())
                for number in range(3):
                    steps += self._step(half_of(channels, second=number % 2 == 1), channels, 2 * wide)
                channels //= 2
            levels.append(steps)
        return ImageFlow(levels, shape)

    def _step(self, mask: Tensor, channels: int, wide: int) -> tuple[nn.Module, nn.Module]:
        return ActNorm(channels), Coupling(mask, channels, wide, self.blocks)


class Coupling(nn.Module):
    """One masked affine coupling; see the module's head.

    Args:
        mask: b, which broadcasts to `(N, C, H, W)`: 1 where values stay as they are.
        channels: C.
        wide: feature maps of h.
        blocks: residual blocks of h.
    """

    mask: Tensor

    def __init__(self, mask: Tensor, channels: int, wide: int, blocks: int):
        super().__init__()
        self.register_buffer("mask", mask)
        self.network = nn.Sequential(
            nn.Conv2d(channels, wide, 3, padding=1),
            *(Block(wide, wide, 1, "relu", 0.0, None, stride_first=False) for _ in range(blocks)),
            nn.ReLU(),
            nn.Conv2d(wide, 2 * channels, 3, padding=1),
        )
        self.factor = nn.Parameter(torch.ones(1, channels, 1, 1))
        for parameter in self.network[-1].parameters():
            nn.init.zeros_(parameter)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Towards the base: `(N, C, H, W) -> (N, C, H, W), (N,)`."""
        s, t = self._scale_and_shift(y)
        return y * s.exp() + t, s.sum((1, 2, 3))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Away from the base."""
        s, t = self._scale_and_shift(z)
        return (z - t) * (-s).exp(), -s.sum((1, 2, 3))

    def _scale_and_shift(self, y: Tensor) -> tuple[Tensor, Tensor]:
        masked = (self.mask * y).contiguous(memory_format=torch.channels_last)
        raw, t = self.network(masked).contiguous().chunk(2, dim=1)
        free = 1 - self.mask
        return free * self.factor * raw.tanh(), free * t


def checkerboard(height: int, width: int, odd: bool) -> Tensor:
    """The mask `(1, 1, H, W)` with ones where row plus column is even, or odd."""
    number = torch.arange(height)[:, None] + torch.arange(width)
    return (number % 2 == int(odd)).float()[None, None]


def half_of(channels: int, second: bool) -> Tensor:
    """The mask `(1, C, 1, 1)` with ones in the first half of the channels, or the second."""
    return ((torch.arange(channels) >= channels // 2) == second).float()[None, :, None, None]
