import numpy as np
import pytest
from scipy.stats import chisquare

from ebmood.detector.energy.reservoir import Reservoir, sample_union


def test_all_rows_are_held_while_they_are_few():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 2))
    reservoir = Reservoir.of(rows[:7], 30, rng).add(rows[7:12], 30, rng).add(rows[12:], 30, rng)
    np.testing.assert_array_equal(reservoir.rows, rows)
    assert reservoir.seen == 30


@pytest.mark.parametrize("sizes", [(40, 30, 30), (5, 5, 90), (90, 9, 1)])
def test_every_row_is_held_with_the_same_probability(sizes):
    """A chi-square test over 3000 repetitions, whatever the sizes of the batches."""
    rng = np.random.default_rng(1)
    counts, repeats, limit = np.zeros(100), 3000, 20
    batches = np.split(np.arange(100.0)[:, None], np.cumsum(sizes)[:-1])
    for _ in range(repeats):
        reservoir = Reservoir.of(batches[0], limit, rng)
        for batch in batches[1:]:
            reservoir = reservoir.add(batch, limit, rng)
        assert len(reservoir.rows) == limit
        counts[reservoir.rows[:, 0].astype(int)] += 1
    # Rows of one sample exclude each other, so the statistic is smaller than chi-square on average.
    assert chisquare(counts).pvalue > 0.001


def test_indices_are_ascending_and_distinct():
    chosen = sample_union(earlier=1000, held=50, new=80, limit=50, rng=np.random.default_rng(0))
    assert len(chosen) == 50
    assert (np.diff(chosen) > 0).all()
    assert chosen[-1] < 130
