"""Warnings are located at the line that calls the package, and so are those of a second call."""

import warnings

import numpy as np
import pytest

from ebmood import EnergyDetector
from ebmood.core.errors import CalibrationWarning

ROWS = np.random.default_rng(0).normal(size=(12, 3))


@pytest.mark.parametrize("name", ["fit", "fit_predict", "partial_fit"])
def test_a_warning_is_located_at_the_call_of_any_public_method(name):
    with pytest.warns(CalibrationWarning) as caught:
        getattr(EnergyDetector(random_state=0), name)(ROWS)
    assert {warning.filename for warning in caught} == {__file__}


def test_the_same_warning_of_two_lines_is_shown_twice():
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        warnings.simplefilter("default")
        EnergyDetector(random_state=0).fit(ROWS)
        EnergyDetector(random_state=0).fit(ROWS)
    assert len([w for w in caught if w.category is CalibrationWarning]) == 2
