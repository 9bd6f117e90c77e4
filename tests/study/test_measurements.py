import numpy as np
import pytest

from ebmood.core.errors import EbmoodError
from ebmood.data import OODSet
from ebmood.density_scores import Typicality
from ebmood.models import KNearestNeighbours
from ebmood.models.external import ExternalScorer
from ebmood.study.measurements import failure_reason, fit_scores, ood_result


def test_both_sides_are_cut_to_the_same_number():
    ood = OODSet("sky", "natural", np.zeros((3, 2), np.float32))
    result = ood_result(ood, np.array([1.0, 2.0, 3.0, -9.0]), np.array([0.0, 0.5, 2.5]))
    assert (result.name, result.kind, result.rows) == ("sky", "natural", 3)
    assert result.auroc == pytest.approx(7 / 9)  # the fourth row is cut; 2.5 is above 1 and 2


def test_a_reason_has_the_place_in_the_code_unless_the_user_can_correct_it():
    try:
        int("x")
    except ValueError as error:
        reason = failure_reason(error)
    assert reason.startswith("ValueError: invalid literal")
    assert "test_measurements.py:" in reason
    assert failure_reason(EbmoodError("remove it")) == "remove it"


def test_a_detector_has_no_other_scores_and_says_so(noise):
    rows = np.random.default_rng(0).normal(size=(20, 2))
    (score,) = fit_scores([Typicality()], ExternalScorer(KNearestNeighbours().fit(rows)), rows)
    assert score.fitted == "score 'typicality' needs a trained density model; remove this score"
