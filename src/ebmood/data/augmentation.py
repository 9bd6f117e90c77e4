"""Random augmentation of training images: shift, rotation and horizontal flip, with a single resampling.

The protocol pads by reflection, rotates, flips and crops at random. Here these are combined into one affine map of
pixel coordinates and one bilinear `grid_sample` with reflection at the border, so that each image is resampled once
and has no black corners.
"""

import math

import torch
from pydantic import Field, NonNegativeInt
from torch import Tensor
from torch.nn.functional import grid_sample

from ebmood.core.settings import Settings


class Augmentation(Settings):
    """Settings of the random transformation of training images. The defaults are those of the protocol.

    Attributes:
        pad: width of the reflected border in pixels. A random crop is equivalent to a shift by whole pixels, uniform
            in `-pad..pad` in each direction.
        rotate: largest angle in degrees. The angle is uniform in `[-rotate, rotate]`, about the centre.
        flip: whether half of the images are flipped horizontally.
    """

    pad: NonNegativeInt = 4
    rotate: float = Field(default=15.0, ge=0, le=180)
    flip: bool = True

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return augmented copies of images, or `x` itself if no transformation is set.

        Args:
            x: images `(N, C, H, W)`, float, in any units.
            generator: on the device of `x`. The numbers that are drawn do not depend on the settings.
        """
        if not (self.pad or self.rotate or self.flip):
            return x
        angle, right, down, side = torch.rand(4, len(x), generator=generator, device=x.device)
        shifts = (2 * self.pad + 1) * torch.stack([right, down])
        return transform(
            x,
            angle=(2 * angle - 1) * math.radians(self.rotate),
            shift=shifts.floor().clamp(max=2 * self.pad) - self.pad,
            flip=(side < 0.5) & self.flip,
        )


def transform(x: Tensor, angle: Tensor, shift: Tensor, flip: Tensor) -> Tensor:
    """Rotate each image about its centre, flip it and shift it, with reflection at the border.

    The pixel of the result at `p` (column and row relative to the centre) shows the point `R(angle) M (p + shift)` of
    the image, where R is a rotation, and M negates columns if `flip` is true.

    Args:
        x: images `(N, C, H, W)`, float.
        angle: `(N,)`, in radians.
        shift: `(2, N)`, columns and rows, in pixels.
        flip: `(N,)`, bool.
    """
    height, width = x.shape[2:]
    # With align_corners, -1 and 1 are the centres of the border pixels, and the reflection does not repeat them.
    half = torch.tensor([max(width - 1, 1) / 2, max(height - 1, 1) / 2], device=x.device)
    columns = torch.arange(width, device=x.device) - (width - 1) / 2
    rows = torch.arange(height, device=x.device) - (height - 1) / 2
    u = columns[None, None, :] + shift[0, :, None, None]
    v = rows[None, :, None] + shift[1, :, None, None]
    u = torch.where(flip[:, None, None], -u, u)
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    points = torch.stack([cosine * u - sine * v, sine * u + cosine * v], dim=-1) / half
    return grid_sample(x, points.to(x.dtype), mode="bilinear", padding_mode="reflection", align_corners=True)
