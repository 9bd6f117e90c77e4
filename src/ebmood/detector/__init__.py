"""The detector: fitted on a user's rows, calibrated on rows held out, safe to save and load."""

from ebmood.detector.energy import EnergySettings
from ebmood.detector.estimator import EnergyDetector
from ebmood.detector.loading import load
from ebmood.detector.probes import Probe

__all__ = ["EnergyDetector", "EnergySettings", "Probe", "load"]
