"""The detector: fitted on a user's rows, calibrated on rows held out, safe to save and load."""

from ebmood.detector.energy import EnergySettings
from ebmood.detector.estimator import EnergyDetector
from ebmood.detector.probes import Probe
from ebmood.detector.saving import load

__all__ = ["EnergyDetector", "EnergySettings", "Probe", "load"]
