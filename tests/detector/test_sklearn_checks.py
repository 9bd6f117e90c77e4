"""The checks that scikit-learn applies to every estimator."""

import numpy as np
import pytest
from helpers.quick_energy import QUICK
from sklearn.utils.estimator_checks import parametrize_with_checks

from ebmood import EnergyDetector

CONTAMINATION = (
    "here `contamination` is the fraction that is left out before the fit, not the fraction that is flagged"
)


@pytest.mark.filterwarnings(
    "ignore::ebmood.core.errors.CalibrationWarning", "ignore::ebmood.core.errors.SelfTestWarning"
)
@parametrize_with_checks(
    [EnergyDetector(energy=QUICK, random_state=0)],
    expected_failed_checks=lambda estimator: {"check_outliers_train": CONTAMINATION},
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_training_rows_get_labels_scores_and_an_offset_that_agree():
    """The parts of scikit-learn's `check_outliers_train` that do not depend on `contamination`."""
    X = np.random.default_rng(0).normal(size=(300, 2))
    detector = EnergyDetector(energy=QUICK, random_state=0).fit(X)
    labels = detector.predict(X)
    assert labels.dtype.kind == "i"
    assert set(labels) == {-1, 1}
    np.testing.assert_array_equal(detector.decision_function(X) >= 0, labels == 1)
    np.testing.assert_array_equal(detector.score_samples(X) - detector.offset_, detector.decision_function(X))
    np.testing.assert_array_equal(EnergyDetector(energy=QUICK, random_state=0).fit_predict(X), labels)
