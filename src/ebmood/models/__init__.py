"""Density models: inputs in, `log_density` out, up to a constant; and detectors of other libraries."""

from ebmood.models.anchored import AnchoredEnergy, AnchoredMLP
from ebmood.models.denoising import DenoisingEnergy
from ebmood.models.density import DensityModel, ModelSettings, Scorer
from ebmood.models.density_scorer import DensityScorer
from ebmood.models.energy import EnergyMLP, EnergyModel, ScoreMatchingTerms, log_density_of
from ebmood.models.energy_wideresnet import EnergyWideResNet
from ebmood.models.external import ExternalDetector, ExternalScorer
from ebmood.models.flows import (
    Glow,
    ImageFlow,
    Radial,
    RadialFlow,
    RealNVP,
    Spline,
    SplineFlow,
    bits_per_dim,
)
from ebmood.models.knn import KNearestNeighbours
from ebmood.models.memory import MemoryEnergy, MemorySettings, RelativeDistance
from ebmood.models.memory_density import MemoryDensity
from ebmood.models.mixture import TiedMixture
from ebmood.models.nudge import nudge_last_bit
from ebmood.models.whitened import DenoisingMLP, WhitenedMLP, WhitenedModel, Whitening

__all__ = [
    "AnchoredEnergy",
    "AnchoredMLP",
    "DenoisingEnergy",
    "DenoisingMLP",
    "DensityModel",
    "DensityScorer",
    "EnergyMLP",
    "EnergyModel",
    "EnergyWideResNet",
    "ExternalDetector",
    "ExternalScorer",
    "Glow",
    "ImageFlow",
    "KNearestNeighbours",
    "MemoryDensity",
    "MemoryEnergy",
    "MemorySettings",
    "ModelSettings",
    "Radial",
    "RadialFlow",
    "RealNVP",
    "RelativeDistance",
    "ScoreMatchingTerms",
    "Scorer",
    "Spline",
    "SplineFlow",
    "TiedMixture",
    "WhitenedMLP",
    "WhitenedModel",
    "Whitening",
    "bits_per_dim",
    "log_density_of",
    "nudge_last_bit",
]
