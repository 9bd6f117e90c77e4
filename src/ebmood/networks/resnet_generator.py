"""The residual generator of images that VERA uses (Grathwohl et al. 2021), from SNGAN (Miyato et al. 2018, table 4).

    h -> linear -> 4 x 4 -> up-blocks, each twice the size -> batch norm, ReLU, 3x3 convolution, tanh

An up-block adds `conv(relu(bn(conv(up(relu(bn(z)))))))` to `conv1x1(up(z))`, up being nearest-neighbour. Weights start
by Glorot's rule with gain sqrt(2) in the 3x3 convolutions inside of blocks and 1 elsewhere, as in SNGAN.
"""

import math

import torch
from torch import Tensor, nn

from ebmood.errors import EbmoodError

START = 4
"""Height and width of the first feature map."""


class ResNetGenerator(nn.Module):
    """See the module's head.

    Args:
        noise: dimension of h.
        shape: of one image, `(C, S, S)` with S = 8, 16, 32, ...
        channels: of all feature maps.

    Shapes:
        `(N, noise) -> (N, *shape)`, in [-1, 1].

    Raises:
        EbmoodError: it cannot make images of this shape.
    """

    def __init__(self, noise: int, shape: tuple[int, ...], channels: int = 128):
        super().__init__()
        doublings = int(math.log2(shape[-1] / START)) if len(shape) == 3 else 0
        if doublings < 1 or shape[1:] != (START * 2**doublings,) * 2:
            raise EbmoodError(
                f"the ResNet generator makes square images (C, S, S) with S = 8, 16, 32, ..., not {tuple(shape)}; "
                "resize the images"
            )
        self.channels = channels
        self.first = nn.Linear(noise, START * START * channels)
        self.blocks = nn.Sequential(*(UpBlock(channels) for _ in range(doublings)))
        self.last = nn.Sequential(
            nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, shape[0], 3, padding=1), nn.Tanh()
        )
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for name, module in self.blocks.named_modules():
            if "residual" in name and isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight, gain=math.sqrt(2))

    def forward(self, h: Tensor) -> Tensor:
        """Images of `h`."""
        z = self.first(h).view(-1, self.channels, START, START)
        return self.last(self.blocks(z.contiguous(memory_format=torch.channels_last)))


class UpBlock(nn.Module):
    """A residual block that doubles height and width; see the module's head."""

    def __init__(self, channels: int):
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.residual = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            UpConvolution(channels),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.shortcut = nn.Conv2d(channels, channels, 1)

    def forward(self, z: Tensor) -> Tensor:
        """`(N, C, H, W) -> (N, C, 2H, 2W)`."""
        # A 1x1 convolution and nearest-neighbour upsampling commute, and before it there are four times fewer pixels.
        return self.residual(z) + self.up(self.shortcut(z))


class UpConvolution(nn.Conv2d):
    """A 3x3 convolution of what nearest-neighbour upsampling makes of its input, in 4/9 of the arithmetic.

    The nine pixels that it reads of the larger image are copies of four of the smaller one. So it is a transposed
    convolution of stride 2 whose 4x4 weights are sums of the nine; the same but for rounding.
    """

    def __init__(self, channels: int):
        super().__init__(channels, channels, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        """`(N, C, H, W) -> (N, C, 2H, 2W)`."""
        padded = nn.functional.pad(self.weight, (1, 1, 1, 1))
        tall = padded[:, :, 1:] + padded[:, :, :-1]
        sums = tall[..., 1:] + tall[..., :-1]
        weight = sums.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)
        return nn.functional.conv_transpose2d(input, weight, self.bias, stride=2, padding=1)
