import warnings

import numpy as np
import pytest
from helpers.quick_energy import QUICK
from sklearn.datasets import load_breast_cancer

from ebmood.detector import EnergyDetector, EnergySettings


@pytest.fixture(scope="session")
def quick() -> EnergySettings:
    """Settings of an energy that is fitted quickly."""
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
    """A fitted detector. Tests must not modify it."""
    with warnings.catch_warnings(action="ignore"):
        return EnergyDetector(energy=quick, random_state=0).fit(benign)
