"""Decisions by calibration scores, which all detectors share."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from ebmood.classifiers import ClassifierDetector
from ebmood.core.calibration import benjamini_hochberg, p_values
from ebmood.core.errors import CalibrationWarning, InputError
from ebmood.detector import EnergyDetector, PatchDetector
from ebmood.detector.calibrated import Calibrated
from ebmood.detector.calibration_scores import CalibrationScores

CALIBRATION = np.arange(1.0, 40.0)
SCORES = np.array([-3.0, 0.5, 1.0, 2.5, 20.0, 99.0])


class Scores(Calibrated, BaseEstimator):
    """A detector whose rows are their scores."""

    def __init__(self) -> None:
        self.alpha = 0.05
        self.calibration_ = CalibrationScores.of_rows(CALIBRATION)
        self.offset_ = self.calibration_.offset(self.alpha)

    def fit(self):
        return self

    def score_batch(self, X, alpha=None):
        return self._batch(np.asarray(X), alpha)


def test_every_detector_decides_in_the_same_way():
    assert all(issubclass(cls, Calibrated) for cls in (EnergyDetector, PatchDetector, ClassifierDetector))


@pytest.mark.parametrize("alpha", [0.01, 0.025, 0.05, 0.075, 0.5, None])
def test_a_row_is_flagged_if_its_p_value_is_at_most_alpha(alpha):
    detector = Scores()
    p = detector.p_values(SCORES)
    np.testing.assert_array_equal(p, p_values(SCORES, CALIBRATION))
    expected = np.where(p <= (0.05 if alpha is None else alpha), -1, 1)
    np.testing.assert_array_equal(detector.predict(SCORES, alpha), expected)
    np.testing.assert_array_equal(detector.score_batch(SCORES, alpha).labels, expected)


def test_select_is_the_procedure_of_benjamini_and_hochberg():
    detector = Scores()
    for fdr in (0.05, 0.1, 0.3):
        expected = benjamini_hochberg(detector.p_values(SCORES), fdr)
        np.testing.assert_array_equal(detector.select(SCORES, fdr), expected)


def test_another_level_changes_the_threshold_and_no_p_value():
    detector = Scores()
    before = detector.p_values(SCORES)
    assert detector.set_alpha(0.5) is detector
    np.testing.assert_array_equal(detector.p_values(SCORES), before)
    np.testing.assert_array_equal(detector.predict(SCORES), np.where(detector.offset_ > SCORES, -1, 1))
    assert detector.false_alarm_rate_ == 0.5
    np.testing.assert_array_equal(detector.calibration_scores_, CALIBRATION)


def test_a_level_that_flags_nothing_warns_and_an_impossible_one_is_refused():
    detector = Scores()
    with pytest.warns(CalibrationWarning, match="needs 99 calibration rows, but there are only 39"):
        detector.set_alpha(0.01)
    assert (detector.predict(SCORES) == 1).all()
    with pytest.raises(InputError, match=r"alpha=1\.5"):
        detector.set_alpha(1.5)
    assert detector.alpha == 0.01
