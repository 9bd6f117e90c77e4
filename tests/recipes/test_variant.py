import pytest

from ebmood.recipes import METHODS


def test_the_name_of_version_0_1_is_accepted_with_a_warning():
    with pytest.warns(FutureWarning, match="'sound' is called 'corrected'"):
        recipe = METHODS["ssm"]("sound", None)  # type: ignore[arg-type]
    assert recipe == METHODS["ssm"]("corrected", None)
