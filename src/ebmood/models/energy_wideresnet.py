"""An energy model on a wide residual network, for images."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ebmood.datasets.dataset import Split
from ebmood.errors import EbmoodError
from ebmood.models.density import ModelSettings
from ebmood.models.energy import EnergyModel
from ebmood.networks import PIECEWISE_LINEAR, Activation, WideResNet
from ebmood.networks.wideresnet import Norm

Count = Annotated[int, Field(ge=1)]


class EnergyWideResNet(ModelSettings):
    """Settings of an energy model on a WideResNet; the defaults are the paper's.

    Attributes:
        depth: 6n + 4: 10, 16, 22, 28, ...
        width: the factor that all channels but the first 16 are multiplied by.
        strides: of the three stages.
        stride_first: a stage's stride stands in its first convolution, as in the network's own paper, and not in its
            second, as in JEM and here: two fifths less arithmetic.
        activation: `leaky_relu` as published; a smooth one (`silu`, `softplus`) for score matching to work.
        slope: LeakyReLU's negative slope.
        norm: `batch`, or None as published.
        bottleneck: channels kept after every stage, as a share in (0, 1]; None for no bottleneck. The paper's: 0.05,
            0.1, 0.2.
        compiled: whether chains of a training on a CPU use compiled passes (docs/performance.md), the same but for
            rounding; eager where no C++ compiler is found, where the activation is smooth, and with `norm`. None: where
            compiling costs less than it saves.
    """

    kind: Literal["energy-wideresnet"] = "energy-wideresnet"
    depth: Count = 10
    width: Count = 2
    strides: tuple[Count, Count, Count] = (1, 2, 2)
    stride_first: bool = False
    activation: Activation = "leaky_relu"
    slope: float = 0.2
    norm: Norm | None = None
    bottleneck: Annotated[float, Field(gt=0, le=1)] | None = None
    compiled: bool | None = None

    @model_validator(mode="after")
    def _a_depth_that_exists(self) -> Self:
        if self.depth < 10 or (self.depth - 4) % 6:
            raise ValueError(f"depth must be 6n + 4 (10, 16, 22, 28, ...), not {self.depth}")
        return self

    def build(self, split: Split, outputs: int) -> EnergyModel:
        """See `ModelSettings.build`. Raises `EbmoodError` where the rows are no images."""
        channels, height, width = image_shape(split, self.kind)
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
            self.compiled,
            (height, width),
        )
        return EnergyModel(network)

    @property
    def piecewise_linear(self) -> bool:
        """See `ModelSettings.piecewise_linear`: bottleneck, pooling and fixed batch statistics bend nothing."""
        return self.activation in PIECEWISE_LINEAR


def image_shape(split: Split, model: str) -> tuple[int, int, int]:
    """`(C, H, W)` of a split's images. Raises `EbmoodError` naming `model` where its rows are no images."""
    shape = split.train_x.shape[1:]
    if len(shape) != 3:
        raise EbmoodError(
            f"{split.dataset}: model {model!r} takes images (C, H, W) and rows here have shape {tuple(shape)}; "
            "use a model for tables such as energy-mlp"
        )
    return shape
