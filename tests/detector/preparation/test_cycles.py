import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import integers

from ebmood.detector.preparation.cycles import Cycle

SECONDS = integers(-(10**9), 4 * 10**9)


def times(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[us]")


@given(SECONDS)
def test_cycles_repeat(seconds):
    time = np.array([seconds]).astype("datetime64[s]").astype("datetime64[us]")
    day = np.timedelta64(1, "D")
    np.testing.assert_allclose(Cycle.HOUR.features(time), Cycle.HOUR.features(time + day), atol=1e-9)
    np.testing.assert_allclose(
        Cycle.WEEKDAY.features(time), Cycle.WEEKDAY.features(time + 7 * day), atol=1e-9
    )
    for cycle in Cycle:
        assert 0 <= cycle.phase(time)[0] < 1
        np.testing.assert_allclose(np.hypot(*cycle.features(time)), 1)


def test_phases_are_those_of_the_calendar():
    # 6 January 2020 is a Monday.
    np.testing.assert_allclose(Cycle.WEEKDAY.phase(times("2020-01-06T23:00", "2020-01-12T01:00")), [0, 6 / 7])
    np.testing.assert_allclose(
        Cycle.MONTH.phase(times("2020-01-01", "2021-07-01", "2020-12-31")), [0, 0.5, (11 + 30 / 31) / 12]
    )
    np.testing.assert_allclose(Cycle.HOUR.phase(times("2020-01-06T18:00")), [0.75])
    assert all(np.isnan(cycle.phase(times("NaT"))).all() for cycle in Cycle)


@pytest.mark.parametrize(("cycle", "step"), [(Cycle.HOUR, "h"), (Cycle.WEEKDAY, "D"), (Cycle.MONTH, "M")])
def test_a_cycle_is_whole_if_no_step_of_it_is_absent(cycle, step):
    all_steps = (np.datetime64("2021-03", step) + np.arange(cycle.steps)).astype("datetime64[us]")
    assert cycle.is_whole(np.append(all_steps, times("NaT")))
    assert not cycle.is_whole(all_steps[1:])
    assert not cycle.is_whole(np.repeat(all_steps[1:], 5))


@pytest.mark.parametrize(
    ("cycle", "step", "period"),
    [
        (Cycle.HOUR, np.timedelta64(1, "h"), np.timedelta64(1, "D")),
        (Cycle.WEEKDAY, np.timedelta64(1, "D"), np.timedelta64(1, "W")),
        (Cycle.MONTH, np.timedelta64(1, "M"), np.timedelta64(1, "Y")),
        (Cycle.QUARTER, np.timedelta64(3, "M"), np.timedelta64(1, "Y")),
    ],
)
def test_a_cycle_repeats_from_the_third_day_or_week_and_the_second_year_on(cycle, step, period):
    unit = np.datetime_data(step.dtype)[0]
    start = np.datetime64("2020-01-06" if unit in "hD" else "2020-01", unit)  # a Monday
    steps = (start + np.arange(cycle.least_periods * cycle.steps) * step).astype("datetime64[us]")
    assert cycle.repeats(np.append(steps, times("NaT")))
    assert not cycle.repeats(steps[1:])
    assert not cycle.repeats(np.repeat(steps[: -cycle.steps], 5))
    assert steps[cycle.steps] == (start + period).astype("datetime64[us]")
