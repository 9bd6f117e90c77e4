"""RealNVP (Dinh et al. 2017) on images, from normflows.

A scale consists of three couplings with checkerboard masks, a squeeze (2 x 2 pixels become four channels) and three
couplings with channel masks. Then half of the channels are split off, and the next scale transforms the rest with twice
as many hidden channels. The last scale consists of four couplings with checkerboard masks. A coupling with mask b maps
towards the base as

    z = b y + (1 - b) (y exp(s) + t),    s, t = h(b y),    s = c tanh(.)

where h is a residual network whose last layer starts at zero and c is a learnt factor for each channel. The paper uses
batch normalisation between couplings and in h. Here each coupling follows a scale and a shift with data-dependent
initialisation (`ActNorm`), and h has no normalisation, so that the density of an image does not depend on other images.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ebmood.data.dataset import Split
from ebmood.models.density import ModelSettings, image_shape
from ebmood.models.flows.image_flow import ActNorm, ImageFlow, check_divisible, import_normflows
from ebmood.networks.wideresnet import Block

Count = Annotated[int, Field(ge=1)]


class RealNVP(ModelSettings):
    """Settings of RealNVP; the defaults are the paper's.

    Attributes:
        scales: scales of the multi-scale architecture.
        channels: hidden channels of h at the first scale.
        blocks: residual blocks of h.
    """

    kind: Literal["realnvp"] = "realnvp"
    scales: Count = 2
    channels: Count = 32
    blocks: Count = 4

    @property
    def is_normalised(self) -> bool:
        """Implement `ModelSettings.is_normalised`."""
        return True

    def build(self, split: Split, outputs: int) -> ImageFlow:
        """Implement `ModelSettings.build`.

        Raises:
            EbmoodError: the rows are not images, or their size is not a multiple of 2^(scales - 1).
        """
        shape = image_shape(split, self.kind)
        check_divisible(shape, self.scales - 1, self.kind)
        channels, height, width = shape
        # A scale halves height and width and doubles the channels.
        scales = [
            self._scale(scale, channels * 2**scale, height // 2**scale, width // 2**scale)
            for scale in range(self.scales)
        ]
        return ImageFlow(scales, shape)

    def _scale(self, scale: int, channels: int, height: int, width: int) -> list[nn.Module]:
        hidden = self.channels * 2**scale
        is_last = scale == self.scales - 1
        layers: list[nn.Module] = []
        for number in range(4 if is_last else 3):
            layers += self._step(checkerboard_mask(height, width, odd=number % 2 == 1), channels, hidden)
        if not is_last:
            layers.append(import_normflows().flows.Squeeze())
            for number in range(3):
                mask = channel_mask(4 * channels, second_half=number % 2 == 1)
                layers += self._step(mask, 4 * channels, 2 * hidden)
        return layers

    def _step(self, mask: Tensor, channels: int, hidden: int) -> tuple[nn.Module, nn.Module]:
        return ActNorm(channels), Coupling(mask, channels, hidden, self.blocks)


class Coupling(nn.Module):
    """A masked affine coupling; the formula is in the module's docstring.

    Args:
        mask: b, which broadcasts to `(N, C, H, W)`; values with mask 1 do not change.
        channels: C.
        hidden: hidden channels of h.
        blocks: residual blocks of h.
    """

    mask: Tensor

    def __init__(self, mask: Tensor, channels: int, hidden: int, blocks: int):
        super().__init__()
        self.register_buffer("mask", mask)
        self.network = nn.Sequential(
            nn.Conv2d(channels, hidden, 3, padding=1),
            *(Block(hidden, hidden, 1, "relu", 0.0, None, stride_first=False) for _ in range(blocks)),
            nn.ReLU(),
            nn.Conv2d(hidden, 2 * channels, 3, padding=1),
        )
        self.factor = nn.Parameter(torch.ones(1, channels, 1, 1))
        for parameter in self.network[-1].parameters():
            nn.init.zeros_(parameter)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Map towards the base: return z and the log-determinant, `(N, C, H, W) -> (N, C, H, W), (N,)`."""
        s, t = self._scale_and_shift(y)
        return y * s.exp() + t, s.sum((1, 2, 3))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Map towards the data: return y and the log-determinant, `(N, C, H, W) -> (N, C, H, W), (N,)`."""
        s, t = self._scale_and_shift(z)
        return (z - t) * (-s).exp(), -s.sum((1, 2, 3))

    def _scale_and_shift(self, y: Tensor) -> tuple[Tensor, Tensor]:
        masked = (self.mask * y).contiguous(memory_format=torch.channels_last)
        raw, t = self.network(masked).contiguous().chunk(2, dim=1)
        changed = 1 - self.mask
        return changed * self.factor * raw.tanh(), changed * t


def checkerboard_mask(height: int, width: int, odd: bool) -> Tensor:
    """Return a mask `(1, 1, H, W)` with ones where row plus column is even, or odd.

    >>> checkerboard_mask(2, 2, odd=False)[0, 0]
    tensor([[1., 0.],
            [0., 1.]])
    """
    number = torch.arange(height)[:, None] + torch.arange(width)
    return (number % 2 == int(odd)).float()[None, None]


def channel_mask(channels: int, second_half: bool) -> Tensor:
    """Return a mask `(1, C, 1, 1)` with ones in the first half of the channels, or in the second.

    >>> channel_mask(4, second_half=True).flatten()
    tensor([0., 0., 1., 1.])
    """
    return ((torch.arange(channels) >= channels // 2) == second_half).float()[None, :, None, None]
