"""Glow (Kingma & Dhariwal 2018), from normflows.

A level consists of a squeeze (2 x 2 pixels become four channels) and K steps. A step consists of a scale and a shift
with data-dependent initialisation, an invertible 1x1 convolution that starts as a rotation, and an affine coupling of
half of the channels. The coupling's scale is `sigmoid(. + 2)`; its network has three convolutions (3x3, 1x1, 3x3), the
last of which starts at zero. After every level but the last, half of the channels are split off. The base distribution
is standard normal: Glow's learnt priors are not used.
"""

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from ebmood.data.dataset import Split
from ebmood.models.density import ModelSettings, image_shape
from ebmood.models.flows.image_flow import ActNorm, ImageFlow, check_divisible, import_normflows

Count = Annotated[int, Field(ge=1)]


class Glow(ModelSettings):
    """Settings of Glow; the defaults are the paper's.

    Attributes:
        levels: levels of the multi-scale architecture.
        steps: K, the number of steps in every level.
        channels: channels of the couplings' hidden layers.
    """

    kind: Literal["glow"] = "glow"
    levels: Count = 3
    steps: Count = 32
    channels: Count = 512

    @property
    def is_normalised(self) -> bool:
        """Implement `ModelSettings.is_normalised`."""
        return True

    def build(self, split: Split, outputs: int) -> ImageFlow:
        """Implement `ModelSettings.build`.

        Raises:
            EbmoodError: the rows are not images, or their size is not a multiple of 2^levels.
        """
        shape = image_shape(split, self.kind)
        check_divisible(shape, self.levels, self.kind)
        # A squeeze multiplies the channels by four, a split halves them.
        levels = [self._level(4 * shape[0] * 2**level) for level in range(self.levels)]
        return ImageFlow(levels, shape)

    def _level(self, channels: int) -> list[nn.Module]:
        nf = import_normflows()
        return [nf.flows.Squeeze(), *(self._step(channels) for _ in range(self.steps))]

    def _step(self, channels: int) -> nn.Module:
        # The LU form of the convolution calls a deprecated function of torch.
        step = import_normflows().flows.GlowBlock(channels, self.channels, use_lu=False)
        # The layer of normflows would be initialised by its first batch, in evaluation mode, too.
        step.flows[-1] = ActNorm(channels)
        return step
