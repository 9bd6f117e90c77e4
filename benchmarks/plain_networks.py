"""The published image networks in plain PyTorch: written to be read, without a line of ebmood.

Parameters are registered in the order of ebmood's networks, so that `copy_parameters` can start both sides alike.
"""

import torch
from torch import Tensor, nn


class WideResNetBlock(nn.Module):
    """`shortcut(h) + conv(act(conv(act(h))))`; the stride stands in the second convolution, as in JEM."""

    def __init__(self, wide: int, wider: int, stride: int, activation: nn.Module):
        super().__init__()
        self.activation = activation
        self.conv1 = nn.Conv2d(wide, wider, 3, padding=1)
        self.conv2 = nn.Conv2d(wider, wider, 3, stride=stride, padding=1)
        self.shortcut = (
            nn.Conv2d(wide, wider, 1, stride=stride) if stride > 1 or wide != wider else nn.Identity()
        )

    def forward(self, h: Tensor) -> Tensor:
        return self.shortcut(h) + self.conv2(self.activation(self.conv1(self.activation(h))))


class WideResNet(nn.Module):
    """WideResNet 10-`width` without normalisation: three stages of one block, strides 1, 2, 2."""

    def __init__(self, channels: int, outputs: int, width: int, activation: nn.Module):
        super().__init__()
        self.first = nn.Conv2d(channels, 16, 3, padding=1)
        self.stages = nn.Sequential(
            WideResNetBlock(16, 16 * width, 1, activation),
            WideResNetBlock(16 * width, 32 * width, 2, activation),
            WideResNetBlock(32 * width, 64 * width, 2, activation),
        )
        self.activation = activation
        self.last = nn.Linear(64 * width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.activation(self.stages(self.first(x))).mean((2, 3)))


class UpBlock(nn.Module):
    """SNGAN's residual block, which doubles height and width."""

    def __init__(self, channels: int):
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.residual = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            self.up,
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.shortcut = nn.Conv2d(channels, channels, 1)

    def forward(self, z: Tensor) -> Tensor:
        return self.residual(z) + self.shortcut(self.up(z))


class Generator(nn.Module):
    """SNGAN's generator of 32 x 32 images."""

    def __init__(self, noise: int, colours: int, channels: int):
        super().__init__()
        self.channels = channels
        self.first = nn.Linear(noise, 4 * 4 * channels)
        self.blocks = nn.Sequential(*(UpBlock(channels) for _ in range(3)))
        self.last = nn.Sequential(
            nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, colours, 3, padding=1), nn.Tanh()
        )

    def forward(self, h: Tensor) -> Tensor:
        return self.last(self.blocks(self.first(h).view(-1, self.channels, 4, 4)))


@torch.no_grad()
def copy_parameters(source: nn.Module, target: nn.Module) -> None:
    """Give `target` the parameters of `source`, in order."""
    for theirs, ours in zip(target.parameters(), source.parameters(), strict=True):
        theirs.copy_(ours)
