"""The detector: fitted on a user's rows, calibrated on rows held out, safe to save and load."""

from ebmood.detector.estimator import EnergyDetector
from ebmood.detector.persistence.load import load
from ebmood.detector.score_model import EnergySettings
from ebmood.detector.self_test import Probe

__all__ = ["EnergyDetector", "EnergySettings", "Probe", "load"]
