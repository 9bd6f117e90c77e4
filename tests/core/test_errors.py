"""Warnings are located at the line that calls the package, and so are those of a second call."""

import warnings

import numpy as np
import pytest
from pydantic import ValidationError, field_validator

from ebmood import EnergyDetector
from ebmood.core.errors import CalibrationWarning, setting_problem
from ebmood.core.settings import Settings

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


def test_a_problem_with_settings_has_no_prefix_of_pydantic():
    class Speed(Settings):
        speed: str

        @field_validator("speed")
        @classmethod
        def check(cls, speed: str) -> str:
            if speed != "fast":
                raise ValueError(f"{speed!r} is not one of\n'fast'")
            return speed

    with pytest.raises(ValidationError) as caught:
        Speed(speed="slow")
    assert setting_problem(caught.value) == "'slow' is not one of 'fast'"
    with pytest.raises(ValidationError) as caught:
        Speed.model_validate({})
    assert setting_problem(caught.value) == "Field required"
