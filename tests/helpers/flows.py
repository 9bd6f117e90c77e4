"""Flows of all kinds for tests."""

import torch
from helpers.splits import image_split, moons_split
from torch import Tensor

from ebmood.data.units import model_units
from ebmood.models import DensityModel, Glow, ImageFlow, ModelSettings, Radial, RadialFlow, RealNVP, Spline

TABLE_FLOWS: dict[str, ModelSettings] = {
    "radial": Radial(layers=6),
    "spline": Spline(transforms=2, hidden=(16,)),
}
IMAGE_FLOWS: dict[str, ModelSettings] = {
    "realnvp": RealNVP(channels=8, blocks=1),
    "realnvp, 3 scales": RealNVP(scales=3, channels=4, blocks=1),
    "glow": Glow(levels=2, steps=2, channels=8),
    "glow, 3 levels": Glow(levels=3, steps=2, channels=8),
}


def build_flow(settings: ModelSettings, shape: tuple[int, ...] | None = None) -> DensityModel:
    """Return an untrained flow on images of a shape, or on the moons."""
    torch.manual_seed(0)
    return settings.build(moons_split() if shape is None else image_split(shape), 1)


def perturbed_flow(
    settings: ModelSettings, shape: tuple[int, ...] | None = None, scale: float = 0.1
) -> DensityModel:
    """Return a flow in float64 and evaluation mode whose weights differ clearly from their initial values."""
    flow = build_flow(settings, shape).double()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return flow.eval()


def base_points(flow: DensityModel, row: Tensor) -> Tensor:
    """Return the point of the standard normal base to which a flow maps one row: `(*shape) -> (D,)`."""
    match flow:
        case RadialFlow():
            return flow.transform(row[None])[0][0]
        case ImageFlow():
            return torch.cat([points.flatten() for points in flow.transform(row[None])[0]])
        case _:
            return flow.flow().transform((row - flow.location) / flow.scale)


def random_bytes(shape: tuple[int, ...], rows: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (rows, *shape), generator=generator).to(torch.uint8)


def random_images(shape: tuple[int, ...], rows: int = 3) -> Tensor:
    return model_units(random_bytes(shape, rows))
