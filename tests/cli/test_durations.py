import pytest

from ebmood.cli.durations import parse_duration
from ebmood.core.errors import InputError


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("9m", 540), ("1h30m", 5400), ("2d", 172_800), ("1H5s", 3605)]
)
def test_durations(text, seconds):
    assert parse_duration(text, "--stop-after") == seconds


@pytest.mark.parametrize("text", ["", "9", "m", "-9m", "0s", "9 minutes", "30m1h", "1.5h", "٣m", "nan"])
def test_what_is_not_a_duration(text):
    with pytest.raises(
        InputError, match=r"--stop-after .* not a duration; give for example 90s, 9m or 1h30m"
    ):
        parse_duration(text, "--stop-after")
