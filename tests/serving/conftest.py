import pytest
from helpers.pump_model import fit_pumps

import ebmood
from ebmood.detector import FrameDetector


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """The folder of a detector that `ebmood fit` wrote."""
    return fit_pumps(tmp_path_factory.mktemp("pumps"))


@pytest.fixture(scope="session")
def detector(model) -> FrameDetector:
    loaded = ebmood.load(model)
    assert isinstance(loaded, FrameDetector)
    return loaded
