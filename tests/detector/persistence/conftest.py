from pathlib import Path

import pytest
from helpers.saved_model import TABLE

from ebmood import EnergyDetector


@pytest.fixture(scope="session")
def wine_detector(quick) -> EnergyDetector:
    """A fitted detector. Tests must not modify it."""
    return EnergyDetector(energy=quick, random_state=0).fit(TABLE)


@pytest.fixture
def saved(wine_detector, tmp_path) -> Path:
    """The folder of a saved detector."""
    wine_detector.save(tmp_path / "model", notes={"one_hot": ["colour"], "filled": {"age": 3.5}})
    return tmp_path / "model"
