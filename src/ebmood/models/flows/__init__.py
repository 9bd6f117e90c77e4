"""Normalizing flows: densities that integrate to one."""

from ebmood.models.flows.glow import Glow
from ebmood.models.flows.image_flow import ImageFlow, bits_per_dim
from ebmood.models.flows.radial import Radial, RadialFlow
from ebmood.models.flows.realnvp import RealNVP
from ebmood.models.flows.spline import Spline, SplineFlow

__all__ = [
    "Glow",
    "ImageFlow",
    "Radial",
    "RadialFlow",
    "RealNVP",
    "Spline",
    "SplineFlow",
    "bits_per_dim",
]
