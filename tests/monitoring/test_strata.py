import numpy as np
import pandas as pd
import pytest

from ebmood.core.interface import shell_messages
from ebmood.detector.cells.dates import DateFormat
from ebmood.detector.preparation import Preparation
from ebmood.detector.preparation.columns import DateColumn, NumberColumn
from ebmood.detector.preparation.cycles import Cycle
from ebmood.monitoring.strata import Strata, cycles_of, why_no_bound

HELD = np.zeros((1, 1))


def prepared(*cycles: Cycle) -> Preparation:
    date = DateColumn(name="t", format=DateFormat.ISO, cycles=cycles)
    return Preparation(columns=(NumberColumn(name="x"), date))


def values_at(times: pd.DatetimeIndex, cycles, dtype=np.float64) -> np.ndarray:
    waves = [wave for cycle in cycles for wave in cycle.features(times.to_numpy().astype("datetime64[us]"))]
    return np.column_stack([np.zeros(len(times)), *waves]).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_strata_are_the_hours_and_weekdays_of_the_calendar(dtype):
    cycles = (Cycle.HOUR, Cycle.WEEKDAY)
    preparation = prepared(*cycles)
    strata = Strata(cycles_of(preparation), preparation.features)
    assert strata.count == 169
    times = pd.date_range("2024-01-01", "2024-02-01", freq="min")  # with every full hour
    numbers = strata.of(values_at(times, cycles, dtype), len(times))
    np.testing.assert_array_equal(numbers, times.hour * 7 + times.day_of_week)
    lost = times[:3].insert(1, pd.NaT)
    assert strata.of(values_at(lost, cycles), 4).tolist() == [0, 168, 0, 0]


def test_steps_of_the_year_are_no_strata():
    preparation = prepared(Cycle.MONTH, Cycle.HOUR)
    strata = Strata(cycles_of(preparation), preparation.features)
    assert strata.count == 25
    assert Strata(cycles_of(prepared(Cycle.MONTH)), preparation.features).count == 1
    assert Strata((), ()).of(None, 3).tolist() == [0, 0, 0]
    assert cycles_of(None) == ()


def test_a_bound_needs_a_stratum_for_every_feature_that_changes_by_nature():
    def problem(*cycles, others=(), rows=HELD):
        found = cycles_of(prepared(*cycles)) if cycles else ()
        dates = [name for cycle in found for name in (cycle.sine, cycle.cosine)]
        return why_no_bound([*dates, *others], found, rows)

    assert problem() == problem(Cycle.HOUR) == problem(Cycle.HOUR, Cycle.WEEKDAY) == ""
    assert "'t (sine of month)'" in problem(Cycle.HOUR, Cycle.MONTH)
    assert "'x'" in problem(others=["x"])
    assert "holds no calibration rows" in problem(Cycle.HOUR, rows=None)
    with shell_messages():
        assert "(--drop)" in problem(others=["x"])
