import pytest
from helpers.records import made_record
from helpers.table_rows import rows_of

from ebmood.results.arms import gather
from ebmood.results.tables.gamma_table import gamma_table


def test_weights_are_compared_with_the_smallest():
    falling = {"sky": 0.6, "uniform": 0.4, "gaussian": 0.4, "constant": 0.4}
    steady = {"sky": 0.6, "uniform": 0.8, "gaussian": 0.8, "constant": 0.8}
    records = [made_record("vera", s, steady, gamma=0.01) for s in range(5)]
    records += [made_record("vera", s, falling, gamma=100.0) for s in range(5)]
    arms = gather(records)
    [row] = rows_of(gamma_table(arms), gamma="100", positive="ID")
    assert row["nonnatural_change"].percent == pytest.approx(-50)
    assert row["natural_change"].percent == pytest.approx(0, abs=1e-12)
