"""An energy model on a wide residual network, for images."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ebmood.core.settings import NonNegative
from ebmood.data.dataset import Split
from ebmood.models.density import ModelSettings, image_shape
from ebmood.models.energy import EnergyModel
from ebmood.networks import Activation, WideResNet, is_smooth
from ebmood.networks.wideresnet import Norm

Count = Annotated[int, Field(ge=1)]


class EnergyWideResNet(ModelSettings):
    """Settings of an energy model on a WideResNet; the defaults are the paper's.

    Attributes:
        depth: 6n + 4: 10, 16, 22, 28, ...
        width: factor of all channels but the first 16.
        strides: strides of the three stages.
        stride_first: whether the stride of a stage belongs to its first convolution, as in the original paper,
            instead of its second, as in JEM. That saves two fifths of the arithmetic.
        activation: `leaky_relu` in the paper; score matching needs a smooth one (`silu`, `softplus`).
        slope: negative slope of LeakyReLU.
        norm: `batch`, or None as in the paper.
        bottleneck: fraction of the channels that remain after every stage, in (0, 1]; None for no bottleneck. The paper
            has 0.05, 0.1 and 0.2.
    """

    kind: Literal["energy-wideresnet"] = "energy-wideresnet"
    depth: Count = 10
    width: Count = 2
    strides: tuple[Count, Count, Count] = (1, 2, 2)
    stride_first: bool = False
    activation: Activation = "leaky_relu"
    slope: NonNegative = 0.2
    norm: Norm | None = None
    bottleneck: Annotated[float, Field(gt=0, le=1)] | None = None

    @model_validator(mode="after")
    def _check_depth(self) -> Self:
        if self.depth < 10 or (self.depth - 4) % 6:
            raise ValueError(f"depth must be 6n + 4 (10, 16, 22, 28, ...), not {self.depth}")
        return self

    def build(self, split: Split, outputs: int) -> EnergyModel:
        """Implement `ModelSettings.build`.

        Raises:
            EbmoodError: the rows are not images.
        """
        channels, _, _ = image_shape(split, self.kind)
        network = WideResNet(
            channels,
            outputs,
            self.depth,
            self.width,
            self.strides,
            self.activation,
            self.slope,
            self.norm,
            self.bottleneck,
            self.stride_first,
        )
        return EnergyModel(network)

    @property
    def is_smooth(self) -> bool:
        """Implement `ModelSettings.is_smooth`: bottlenecks, pooling and fixed batch statistics are linear."""
        return is_smooth(self.activation)
