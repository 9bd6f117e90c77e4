"""The estimator checks of scikit-learn, without expected failures."""

import pytest
from helpers.quick_energy import QUICK
from sklearn.utils.estimator_checks import parametrize_with_checks

from ebmood.detector import EnergyDetector


@pytest.mark.filterwarnings(
    "ignore::ebmood.core.errors.CalibrationWarning", "ignore::ebmood.core.errors.SelfTestWarning"
)
@parametrize_with_checks([EnergyDetector(energy=QUICK, random_state=0)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)
