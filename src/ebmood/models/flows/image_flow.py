"""Normalizing flows on images: units, dequantization, bits per dimension, and the layers that RealNVP and Glow share.

Images are bytes b in the units `x = b / 127.5 - 1`. A fixed affine map places every byte at the centre of its bin in
[0, 1] and subtracts 1/2:

    y = (127.5 (x + 1) + 1/2) / 256 = (b + 1/2) / 256,    z = g(y - 1/2),
    log p(x) = log N(z; 0, I) + log |det dg/dy| + D log(127.5 / 256)

This is a density over all of R^D, in nats of x, also for inputs outside of [-1, 1]. (The RealNVP paper takes logits of
y, which are undefined there. They are omitted; data-dependent initialisation sets the scale instead.)

**Dequantization.** The density of discrete values can grow without bound. In training, each byte is therefore replaced
by a uniform value of its bin (Uria et al. 2013; Theis et al. 2016): with u ~ U(0, 1),

    x' = x + (u - 1/2) / 127.5,    hence y' = (b + u) / 256

Scores are computed at the centre of the bin, u = 1/2, so that they are deterministic.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ebmood.core.errors import EbmoodError
from ebmood.models.density import DensityModel

HALF_RANGE = 127.5
"""Byte values per unit of x."""


def bits_per_dim(log_density: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the bits per dimension of byte images, from their log-density in units of [-1, 1].

        -(log p(x) - D log 127.5) / (D log 2)

    since a bin has the width 1 / 127.5 in x. The mean over dequantized images is an upper bound of the bits of a
    lossless code. Without dequantization it is an approximation that bounds nothing.

    Args:
        log_density: log-densities in nats, of any shape.
        shape: shape of one image, `(C, H, W)`; D is its product.

    Returns:
        Bits per dimension, in the shape of `log_density`.

    A uniform density over the 256 bins has 8 bits per dimension:

    >>> log_density = torch.tensor([-3 * math.log(256 / 127.5)])
    >>> bits_per_dim(log_density, (3, 1, 1))
    tensor([8.])
    """
    return math.log2(HALF_RANGE) - log_density / (math.prod(shape) * math.log(2))


class ImageFlow(DensityModel):
    """A multi-scale flow over images in [-1, 1]; the formulas are in the module's docstring.

    Args:
        levels: the layers of g, level by level, in the order in which they are applied to an image. After every level
            but the last, half of the channels are split off. Layers have the interface of normflows: `inverse` maps
            towards the base, `forward` towards the data, and both also return a log-determinant.
        shape: shape of one image, `(C, H, W)`.

    Raises:
        EbmoodError: normflows is not installed.
    """

    normalised = True

    def __init__(self, levels: Sequence[Sequence[nn.Module]], shape: tuple[int, int, int]):
        super().__init__()
        nf = import_normflows()
        self.dimensions = math.prod(shape)
        bases = [nf.distributions.DiagGaussian(base, trainable=False) for base in _base_shapes(levels, shape)]
        # normflows orders levels, and the layers of a level, from the base to the data.
        layers = [list(level)[::-1] for level in levels]
        merges = [nf.flows.Merge() for _ in levels[1:]]
        self.flow = nf.MultiscaleFlow(bases[::-1], layers[::-1], merges, class_cond=False)

    def transform(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the base points and the log-determinant of images: `(N, C, H, W) -> [(N, C', H', W'), ...], (N,)`.

        The channels that are split off last come first.
        """
        y = (HALF_RANGE * (x + 1) + 0.5) / 256
        z, log_det = self.flow.inverse_and_log_det(y - 0.5)
        return z, log_det + self.dimensions * math.log(HALF_RANGE / 256)

    def inverse_transform(self, z: list[Tensor]) -> Tensor:
        """Return the images whose base points are `z`, the inverse of `transform`."""
        y = self.flow.forward_and_log_det(z)[0] + 0.5
        return (256 * y - 0.5) / HALF_RANGE - 1

    def log_density(self, x: Tensor) -> Tensor:
        """Return `log p(x)` in nats: `(N, C, H, W) -> (N,)`.

        In evaluation mode, minus infinity is replaced by the lowest finite number. So is any result that is not finite
        if the image has values outside of [-2, 2], for example unscaled bytes.
        """
        z, log_density = self.transform(x)
        for base, points in zip(self.flow.q0, z, strict=True):
            log_density = log_density + base.log_prob(points)
        return log_density if self.training else _replace_overflow(log_density, x)

    def dequantize(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Implement `DensityModel.dequantize` by uniform noise; the formula is in the module's docstring."""
        return x + (torch.empty_like(x).uniform_(generator=generator) - 0.5) / HALF_RANGE


def _base_shapes(
    levels: Sequence[Sequence[nn.Module]], shape: tuple[int, int, int]
) -> list[tuple[int, int, int]]:
    """Return the shapes of the base points, in the order of the levels."""
    squeeze = import_normflows().flows.Squeeze
    shapes = []
    channels, height, width = shape
    for number, level in enumerate(levels, start=1):
        if any(isinstance(layer, squeeze) for layer in level):
            channels, height, width = 4 * channels, height // 2, width // 2
        if number < len(levels):
            channels //= 2
        shapes.append((channels, height, width))
    return shapes


def _replace_overflow(log_density: Tensor, x: Tensor) -> Tensor:
    out_of_range = x.flatten(1).abs().amax(1) > 2
    overflow = log_density.isneginf() | out_of_range & ~log_density.isfinite()
    return log_density.masked_fill(overflow, torch.finfo(log_density.dtype).min)


class ActNorm(nn.Module):
    """A scale and a shift per channel with data-dependent initialisation (Kingma & Dhariwal 2018, section 3.1).

    The first batch in training mode sets both so that its outputs have mean zero and variance one in every channel.
    Before that, the layer is the identity.
    """

    initialised: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.register_buffer("initialised", torch.tensor(False))

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Map towards the base: return `exp(log_scale) (y + shift)` and the log-determinant `(N,)`."""
        if self.training and not self.initialised:
            self._initialise(y)
        return self.log_scale.exp() * (y + self.shift), self._log_det(y)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Map towards the data: return `exp(-log_scale) z - shift` and the log-determinant `(N,)`."""
        return z * (-self.log_scale).exp() - self.shift, -self._log_det(z)

    @torch.no_grad()
    def _initialise(self, y: Tensor) -> None:
        variance, mean = torch.var_mean(y, dim=(0, 2, 3), keepdim=True, correction=0)
        self.shift.copy_(-mean)
        self.log_scale.copy_(-0.5 * (variance + 1e-6).log())
        self.initialised.fill_(True)

    def _log_det(self, y: Tensor) -> Tensor:
        return (self.log_scale.sum() * y.shape[2] * y.shape[3]).expand(len(y))


def import_normflows() -> Any:
    """Import and return the package normflows. Raise an `EbmoodError` if it is not installed."""
    try:
        import normflows
    except ImportError as error:
        raise EbmoodError("image flows need normflows: pip install 'ebmood[vision]'") from error
    return normflows


def check_divisible(shape: tuple[int, int, int], halvings: int, model: str) -> None:
    """Raise an `EbmoodError` that names `model` if images of `shape` cannot be halved `halvings` times."""
    divisor = 2**halvings
    if shape[1] % divisor or shape[2] % divisor:
        raise EbmoodError(
            f"model {model!r} halves images {halvings} times, but the images are {shape[1]}x{shape[2]}; "
            f"resize them to a multiple of {divisor} or use fewer levels"
        )
