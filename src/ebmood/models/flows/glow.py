"""Glow (Kingma & Dhariwal 2018), from normflows.

A level is a squeeze (2 x 2 pixels become four channels) and K steps, each a data-dependent scale and shift, an
invertible 1x1 convolution that starts as a rotation, and an affine coupling of half of the channels with scale
`sigmoid(. + 2)`, whose network is three convolutions (3x3, 1x1, 3x3) and starts at zero. Half of the channels leave
after every level but the last. All that leaves is standard normal: Glow's learnt priors are left out.
"""

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from ebmood.data.dataset import Split
from ebmood.models.density import ModelSettings
from ebmood.models.energy_wideresnet import image_shape
from ebmood.models.flows.image_flow import ActNorm, ImageFlow, check_divisible, normflows

Count = Annotated[int, Field(ge=1)]


class Glow(ModelSettings):
    """Settings of Glow; the defaults are the paper's.

    Attributes:
        levels: of the multi-scale architecture.
        steps: K, in every level.
        channels: feature maps of the couplings.
    """

    kind: Literal["glow"] = "glow"
    levels: Count = 3
    steps: Count = 32
    channels: Count = 512

    def build(self, split: Split, outputs: int) -> ImageFlow:
        """See `ModelSettings.build`. Raises `EbmoodError` for rows that are no images, or too small ones."""
        nf = normflows()
        shape = image_shape(split, self.kind)
        check_divisible(shape, self.levels, self.kind)
        levels: list[list[nn.Module]] = []
        channels = shape[0]
        for _ in range(self.levels):
            channels *= 4
            steps: list[nn.Module] = [nf.flows.Squeeze()]
            for _ in range(self.steps):
                # Its LU form calls a function of torch's that is on its way out.
                step = nf.flows.GlowBlock(channels, self.channels, use_lu=False)
                # Its own would be initialised by whatever comes first, evaluation as well.
                step.flows[-1] = ActNorm(channels)
                steps.append(step)
            levels.append(steps)
            channels //= 2
        return ImageFlow(levels, shape)
