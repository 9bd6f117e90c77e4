"""A residual generator of images (Miyato et al. 2018, table 4), in the variant of Grathwohl et al. (2021).

    h -> linear -> 4 x 4 -> up-blocks, each of which doubles the size -> batch norm, ReLU, 3x3 convolution, tanh

An up-block computes `conv(relu(bn(conv(up(relu(bn(z))))))) + conv1x1(up(z))`, where `up` is nearest-neighbour
upsampling. As in SNGAN, 3x3 convolutions inside blocks start with Glorot's rule and gain sqrt(2), all other weights
with gain 1.
"""

import math

from torch import Tensor, nn

from ebmood.core.errors import EbmoodError

START = 4
"""Height and width of the first feature map."""


class ResNetGenerator(nn.Module):
    """The generator of the module's docstring.

    Args:
        noise: dimension of h.
        shape: shape of one image, `(C, S, S)` with S = 8, 16, 32, ...
        channels: channels of all feature maps.

    Shapes:
        `(N, noise) -> (N, *shape)`, in [-1, 1].

    Raises:
        EbmoodError: the generator does not support this shape.
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
        """Return the images generated from noise `h`."""
        z = self.first(h).view(-1, self.channels, START, START)
        return self.last(self.blocks(z))


class UpBlock(nn.Module):
    """A residual block that doubles height and width; its formula is in the module's docstring."""

    def __init__(self, channels: int):
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.residual = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            UpConvolution(channels),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.shortcut = nn.Conv2d(channels, channels, 1)

    def forward(self, z: Tensor) -> Tensor:
        """Return the block's output: `(N, C, H, W) -> (N, C, 2H, 2W)`."""
        return self.residual(z) + self.shortcut(self.up(z))


class UpConvolution(nn.Conv2d):
    """Nearest-neighbour upsampling followed by a 3x3 convolution: `(N, C, H, W) -> (N, C, 2H, 2W)`."""

    def __init__(self, channels: int):
        super().__init__(channels, channels, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of the upsampled input."""
        return super().forward(nn.functional.interpolate(input, scale_factor=2, mode="nearest"))
