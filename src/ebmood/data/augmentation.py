"""Random small changes of training images: shift, rotation, mirror image, all in one resampling.

The protocol pads by reflection, rotates, flips and crops at random. Here the four are one affine map of pixel
coordinates and one bilinear `grid_sample` that reflects at the border, so that an image is resampled once and
no black corners come in.
"""

import math

import torch
from pydantic import Field, NonNegativeInt
from torch import Tensor
from torch.nn.functional import grid_sample

from ebmood.core.settings import Settings


class Augmentation(Settings):
    """What is done to each training image, drawn afresh each time. The defaults are the protocol's.

    Attributes:
        pad: pixels of reflected border that a random crop may move into: shifts by whole pixels, uniform in
            `-pad..pad` in each direction.
        rotate: the largest angle in degrees; uniform in `[-rotate, rotate]`, about the centre.
        flip: whether an image is mirrored left to right with probability one half.
    """

    pad: NonNegativeInt = 4
    rotate: float = Field(default=15.0, ge=0, le=180)
    flip: bool = True

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augmented copies of `x`; `x` itself where the settings ask for nothing.

        Args:
            x: images `(N, C, H, W)`, float, in any units.
            generator: on the device of `x`. The same numbers are drawn whatever the settings are.
        """
        if not (self.pad or self.rotate or self.flip):
            return x
        angle, across, down, side = torch.rand(4, len(x), generator=generator, device=x.device)
        shifts = (2 * self.pad + 1) * torch.stack([across, down])
        return moved(
            x,
            angle=(2 * angle - 1) * math.radians(self.rotate),
            shift=shifts.floor().clamp(max=2 * self.pad) - self.pad,
            mirror=(side < 0.5) & self.flip,
        )


def moved(x: Tensor, angle: Tensor, shift: Tensor, mirror: Tensor) -> Tensor:
    """Each image turned about its centre, mirrored, and shifted; what lies outside is the reflection inside.

    The pixel at `p` (column, row; from the centre) of the result shows the point `R(angle) M (p + shift)` of
    the image, with `M` negating columns where `mirror`.

    Args:
        x: `(N, C, H, W)`, float.
        angle: `(N,)`, radians.
        shift: `(2, N)`, columns and rows.
        mirror: `(N,)`, bool.
    """
    height, width = x.shape[2:]
    # With align_corners, -1 and 1 are the centres of the outermost pixels, and reflection repeats none of them.
    half = torch.tensor([max(width - 1, 1) / 2, max(height - 1, 1) / 2], device=x.device)
    columns = torch.arange(width, device=x.device) - (width - 1) / 2
    rows = torch.arange(height, device=x.device) - (height - 1) / 2
    u = columns[None, None, :] + shift[0, :, None, None]
    v = rows[None, :, None] + shift[1, :, None, None]
    u = torch.where(mirror[:, None, None], -u, u)
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    points = torch.stack([cosine * u - sine * v, sine * u + cosine * v], dim=-1) / half
    return grid_sample(x, points.to(x.dtype), mode="bilinear", padding_mode="reflection", align_corners=True)
