"""Density models: inputs in, `log_density` out, up to a constant. Also detectors of other libraries."""

from ebmood.models.anchored import AnchoredEnergy
from ebmood.models.denoising import DenoisingEnergy
from ebmood.models.density import DensityModel, ModelSettings, Scorer
from ebmood.models.energy import EnergyMLP, EnergyModel, log_density_of
from ebmood.models.energy_wideresnet import EnergyWideResNet
from ebmood.models.glow import Glow
from ebmood.models.image_flow import ImageFlow, bits_per_dim
from ebmood.models.knn import KNearestNeighbours
from ebmood.models.mixture import TiedMixture
from ebmood.models.outside import OutsideDetector, OutsideScorer
from ebmood.models.radial import Radial, RadialFlow
from ebmood.models.realnvp import RealNVP
from ebmood.models.spline import Spline, SplineFlow

__all__ = [
    "AnchoredEnergy",
    "DenoisingEnergy",
    "DensityModel",
    "EnergyMLP",
    "EnergyModel",
    "EnergyWideResNet",
    "Glow",
    "ImageFlow",
    "KNearestNeighbours",
    "ModelSettings",
    "OutsideDetector",
    "OutsideScorer",
    "Radial",
    "RadialFlow",
    "RealNVP",
    "Scorer",
    "Spline",
    "SplineFlow",
    "TiedMixture",
    "bits_per_dim",
    "log_density_of",
]
