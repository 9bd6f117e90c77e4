"""Check the parameters of the detector that do not depend on the rows."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from ebmood.core.errors import InputError
from ebmood.detector.energy.contamination import check_contamination
from ebmood.detector.energy.score_model import SPEEDS, EnergySettings
from ebmood.detector.parameters import LEAVE_ONE_OUT, check_alpha_and_device
from ebmood.embedders import Embedder

if TYPE_CHECKING:  # `EnergyDetector.fit` calls this module
    from ebmood.detector.estimator import EnergyDetector


def check_parameters(detector: "EnergyDetector") -> torch.device:
    """Check the parameters, and return the torch device.

    Raises:
        InputError: a parameter is invalid.
    """
    if detector.embed is not None and not isinstance(detector.embed, (nn.Module, Embedder, str, Path)):
        raise InputError(
            f"embed={type(detector.embed).__name__}: must be a torch.nn.Module, an embedder, or the name of one"
        )
    if detector.energy is not None and not isinstance(detector.energy, EnergySettings):
        raise InputError(f"energy={detector.energy!r}: must be EnergySettings, or None for the default")
    if detector.memory not in ("rows", "prototypes"):
        raise InputError(f"memory={detector.memory!r}: must be 'rows' or 'prototypes'")
    if detector.memory == "prototypes" and detector.calibration == LEAVE_ONE_OUT:
        raise InputError("memory='prototypes': calibration='loo' needs rows; set calibration=0.2")
    if not isinstance(detector.speed, str) or detector.speed not in SPEEDS:
        raise InputError(f"speed={detector.speed!r}: must be 'default' or 'fast'")
    if detector.speed != "default" and detector.energy is not None:
        raise InputError("speed and energy: energy replaces the settings of speed; give one of them")
    check_contamination(detector.contamination)
    return check_alpha_and_device(detector.alpha, detector.device)
