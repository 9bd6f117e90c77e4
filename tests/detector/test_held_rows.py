"""Rows that a detector holds recognise themselves, as a comparison of values does."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ebmood.detector.held_rows import MANY_EQUAL, HeldRows, row_codes

CELLS = st.sampled_from([0.0, -0.0, 1.0, 2.0, 0.5, -1.0, 1e300, float("nan")])
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.tuples(
        *(arrays(float, st.tuples(st.integers(1, 30), st.just(width)), elements=CELLS),) * 2
    )
)


def as_tuples(rows) -> list[tuple]:
    return [tuple(None if np.isnan(value) else value for value in row) for row in rows.tolist()]


@given(TABLES)
def test_the_count_is_that_of_a_comparison_of_values(tables):
    held, rows = tables
    known = set(as_tuples(held))
    assert HeldRows(held, len(held)).count(rows) == sum(row in known for row in as_tuples(rows))


def test_codes_of_whole_numbers_do_not_collide():
    rows = np.stack(np.meshgrid(*[np.arange(32.0)] * 3), axis=-1).reshape(-1, 3)
    assert len(np.unique(row_codes(rows))) == len(rows)
    assert len(np.unique(row_codes(np.eye(500)))) == 500


def test_a_sample_of_the_training_rows_is_enough():
    rng = np.random.default_rng(0)
    training, others = rng.normal(size=(2, 1000, 3))
    held = HeldRows(training[:100], 1000)
    assert held.are_training_rows(held.count(training), 1000)
    assert not held.are_training_rows(held.count(others), 1000)
    assert not held.are_training_rows(MANY_EQUAL - 1, MANY_EQUAL)


def test_rows_that_are_equal_by_chance_are_no_training_rows():
    rng = np.random.default_rng(0)
    training, others = rng.integers(0, 3, size=(2, 1000, 2)).astype(float)
    held = HeldRows(training, 1000)
    assert held.count(others) == 1000
    assert not held.are_training_rows(1000, 1000)
