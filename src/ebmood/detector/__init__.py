"""The detector: an estimator that is fitted and calibrated on rows of the user, and that can be saved and loaded."""

from ebmood.detector.energy.score_model import EnergySettings
from ebmood.detector.energy.self_test import Probe
from ebmood.detector.estimator import EnergyDetector
from ebmood.detector.patches import PatchDetector, PatchSettings
from ebmood.detector.raw.frame_detector import FrameDetector, load

__all__ = [
    "EnergyDetector",
    "EnergySettings",
    "FrameDetector",
    "PatchDetector",
    "PatchSettings",
    "Probe",
    "load",
]
