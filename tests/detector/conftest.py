import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from ebmood.detector import EnergyDetector, EnergySettings

QUICK = EnergySettings(steps=20, members=1, hidden=(16,), sigmas=(0.1, 0.5, 2.0), components=2)


@pytest.fixture(scope="session")
def quick() -> EnergySettings:
    """Settings of the energy that fit in a moment."""
    return QUICK


@pytest.fixture(scope="session")
def benign() -> np.ndarray:
    """A real table: 357 rows of 30 strongly correlated columns."""
    x, y = load_breast_cancer(return_X_y=True)
    return x[y == 1]


@pytest.fixture(scope="session")
def malignant() -> np.ndarray:
    x, y = load_breast_cancer(return_X_y=True)
    return x[y == 0]


@pytest.fixture(scope="session")
def fitted(benign, quick) -> EnergyDetector:
    """Do not change it."""
    with warnings.catch_warnings(action="ignore"):
        return EnergyDetector(energy=quick, random_state=0).fit(benign)
