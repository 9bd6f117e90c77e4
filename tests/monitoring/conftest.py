import warnings

import numpy as np
import pytest
from helpers.quick_energy import QUICK

from ebmood.detector import EnergyDetector

MIXING = np.random.default_rng(7).normal(size=(2, 4))


def draw(seed: int, rows: int) -> np.ndarray:
    """Rows of four correlated columns."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 2)) @ MIXING + 0.5 * rng.normal(size=(rows, 4))


@pytest.fixture(scope="session")
def rows():
    """A function of a seed and a number that returns normal rows."""
    return draw


@pytest.fixture(scope="session")
def detector() -> EnergyDetector:
    """A detector of such rows. Tests must not change it."""
    with warnings.catch_warnings(action="ignore"):
        return EnergyDetector(energy=QUICK.updated(rows=600), random_state=0).fit(draw(0, 800))
