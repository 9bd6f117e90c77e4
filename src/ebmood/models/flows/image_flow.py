"""Normalising flows on images: units, dequantisation, bits per dimension; and what RealNVP and Glow are built with.

Images come as bytes b in units `x = b / 127.5 - 1`. Inside, one affine map puts them on [0, 1], each byte in the
centre of its bin, and shifts them to zero:

    y = (127.5 (x + 1) + 1/2) / 256 = (b + 1/2) / 256,    z = g(y - 1/2),
    log p(x) = log N(z; 0, I) + log |det dg/dy| + D log(127.5 / 256)

which is a density over all of R^D in nats of x: inputs beyond [-1, 1] have one too. (RealNVP's own paper takes logits
of y, which do not exist there; we leave them out, and data-dependent initialisation sets the scale instead.)

**Dequantisation.** A density of bytes could grow without bound. So training, and training alone, spreads each byte
uniformly over its bin: with u ~ U(0, 1),

    x' = x + (u - 1/2) / 127.5,    hence y' = (b + u) / 256

(Uria et al. 2013; Theis et al. 2016). Scores are taken at the centre of the bin, u = 1/2, so that they are the same
each time.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ebmood.core.errors import EbmoodError
from ebmood.models.density import DensityModel

HALF_RANGE = 127.5
"""Bytes to one unit of x."""


def bits_per_dim(log_density: Tensor, shape: Sequence[int]) -> Tensor:
    """Bits per dimension of bytes, from the log-density of images in [-1, 1].

        -(log p(x) - D log 127.5) / (D log 2)

    for a bin is 1 / 127.5 wide in x. Of dequantize images the mean bounds the bits that a lossless code needs; of
    images as they are it takes the density at the bin's centre for its mean over the bin, and bounds nothing.

    Args:
        log_density: nats, any shape.
        shape: of one image, `(C, H, W)`; D is its product.

    Returns:
        Bits per dimension, the shape of `log_density`. Uniform over the 256 bytes has 8.
    """
    return math.log2(HALF_RANGE) - log_density / (math.prod(shape) * math.log(2))


class ImageFlow(DensityModel):
    """A flow over images in [-1, 1]; see the module's head.

    Args:
        levels: the steps of g, level by level in the order in which an image meets them. After every level but the
            last half of the channels leaves for the base. Steps have normflows's interface: `inverse` goes towards
            the base, and both ways return a log-determinant.
        shape: of one image, `(C, H, W)`.

    Raises:
        EbmoodError: normflows is not installed.
    """

    normalised = True

    def __init__(self, levels: Sequence[Sequence[nn.Module]], shape: tuple[int, int, int]):
        super().__init__()
        nf = normflows()
        self.dimensions = math.prod(shape)
        bases = []
        channels, height, width = shape
        for number, level in enumerate(levels, start=1):
            if any(isinstance(step, nf.flows.Squeeze) for step in level):
                channels, height, width = 4 * channels, height // 2, width // 2
            if number < len(levels):
                channels //= 2
            bases.append(nf.distributions.DiagGaussian((channels, height, width), trainable=False))
        # normflows counts levels from the base, and lists each one's steps from there too.
        steps = [list(level)[::-1] for level in levels]
        merges = [nf.flows.Merge() for _ in levels[1:]]
        self.flow = nf.MultiscaleFlow(bases[::-1], steps[::-1], merges, class_cond=False)

    def transform(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Base points, those that left last first, and the whole log-determinant: `(N, C, H, W) -> [...], (N,)`."""
        y = (HALF_RANGE * (x + 1) + 0.5) / 256
        z, log_det = self.flow.inverse_and_log_det(y - 0.5)
        return z, log_det + self.dimensions * math.log(HALF_RANGE / 256)

    def images(self, z: list[Tensor]) -> Tensor:
        """The images whose base points are `z`: the inverse of `transform`."""
        y = self.flow.forward_and_log_det(z)[0] + 0.5
        return (256 * y - 0.5) / HALF_RANGE - 1

    def log_density(self, x: Tensor) -> Tensor:
        """`log p(x)` in nats of [-1, 1]: `(N, C, H, W) -> (N,)`.

        In evaluation, a density too small to write down (minus infinity, as noise may have) is the lowest finite
        number; and so is one whose sums leave floating point, where an image has values beyond [-2, 2] (bytes that
        nobody scaled, say).
        """
        z, log_density = self.transform(x)
        for base, points in zip(self.flow.q0, z, strict=True):
            log_density = log_density + base.log_prob(points)
        if self.training:
            return log_density
        far = x.flatten(1).abs().amax(1) > 2
        lowest = torch.finfo(log_density.dtype).min
        return log_density.masked_fill(log_density.isneginf() | far & ~log_density.isfinite(), lowest)

    def dequantize(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """See `DensityModel.dequantize` and the module's head."""
        return x + (torch.empty_like(x).uniform_(generator=generator) - 0.5) / HALF_RANGE


class ActNorm(nn.Module):
    """A scale and a shift for each channel, set so that the first training batch comes out standardised (Glow).

    Before that, and in evaluation for as long as there was no training, it is the identity.
    """

    initialised: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.register_buffer("initialised", torch.tensor(False))

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Towards the base, `exp(log_scale) (y + shift)`, and the log-determinant `(N,)`."""
        if self.training and not self.initialised:
            with torch.no_grad():
                variance, mean = torch.var_mean(y, dim=(0, 2, 3), keepdim=True, correction=0)
                self.shift.copy_(-mean)
                self.log_scale.copy_(-0.5 * (variance + 1e-6).log())
                self.initialised.fill_(True)
        return self.log_scale.exp() * (y + self.shift), self._log_det(y)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Away from the base."""
        return z * (-self.log_scale).exp() - self.shift, -self._log_det(z)

    def _log_det(self, y: Tensor) -> Tensor:
        return (self.log_scale.sum() * y.shape[2] * y.shape[3]).expand(len(y))


def normflows() -> Any:
    """The package. Raises `EbmoodError` where it is not installed."""
    try:
        import normflows as package
    except ImportError as error:
        raise EbmoodError("image flows need normflows: pip install 'ebmood[vision]'") from error
    return package


def check_divisible(shape: tuple[int, int, int], halvings: int, model: str) -> None:
    """Raises `EbmoodError` where an image of `shape` cannot be halved `halvings` times."""
    by = 2**halvings
    if shape[1] % by or shape[2] % by:
        raise EbmoodError(
            f"model {model!r} halves images {halvings} times and these are {shape[1]}x{shape[2]}; "
            f"resize them to a multiple of {by} or take fewer levels"
        )
