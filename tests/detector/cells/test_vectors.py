"""Cells of lists: the numbers of every list of the right length, and what is wrong with others."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ebmood.detector.cells.vectors import list_lengths, read_vectors

TYPES = [
    pa.list_(pa.float64()),
    pa.large_list(pa.float64()),
    pa.list_(pa.float32()),
    pa.list_(pa.int64()),
    pa.large_list(pa.uint8()),
    pa.list_(pa.bool_()),
    pa.list_(pa.float64(), 3),
    pa.list_(pa.float32(), 3),
]
"""Types of columns of lists."""


@settings(max_examples=50)
@given(
    dtype=st.sampled_from(TYPES),
    lists=st.lists(
        st.none() | st.lists(st.none() | st.integers(0, 1), min_size=3, max_size=3), min_size=1, max_size=8
    ),
    start=st.integers(0, 3),
)
def test_lists_of_every_type_are_their_numbers(dtype, lists, start):
    if pa.types.is_boolean(dtype.value_type):
        items = [row and [None if item is None else bool(item) for item in row] for row in lists]
    else:
        items = lists
    cells = pa.array(items, dtype)[start:]
    read = read_vectors(cells, 3)
    expected = [
        [np.nan if item is None else float(item) for item in row or [None] * 3] for row in lists[start:]
    ]
    np.testing.assert_array_equal(read.values, np.array(expected).reshape(-1, 3))
    assert read.errors == {}


def test_lists_of_another_length_and_odd_numbers_are_errors_of_their_row():
    cells = pa.array([[1.0, 2.0], None, [1.0], [], [1.0, 2.0, 3.0], [np.inf, np.nan], [3.0, 4.0]])
    read = read_vectors(cells, 2)
    assert read.errors == {
        2: "a list of 1 number, but those of the training rows have 2",
        3: "a list of 0 numbers, but those of the training rows have 2",
        4: "a list of 3 numbers, but those of the training rows have 2",
        5: "at [0], inf is infinite",
    }
    assert np.isnan(read.values[1:6]).all()
    assert read.values[[0, 6]].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (pa.array([1.5]), "a double, not a list of numbers"),
        (pa.array([{"a": 1}]), "a struct<a: int64>, not a list of numbers"),
        (pa.array([["a", "b"]]), "at [0], 'a' is not a number"),
        (pa.array([[[1], [2]]]), "at [0], a list"),
        (pa.array(["some text"]), "'some text' is not a list of numbers"),
        (pa.array(["[1, "]), "'[1,' is not a list of numbers"),
        (pa.array(["[" * 100_000]), "is not a list of numbers"),
        (pa.array(["3"]), "'3' is not a list of numbers"),
        (pa.array(['[1, "a"]']), "is not a list of numbers"),
        (pa.array([f"[1, {2**60}]"]), "at [1], the whole number 1152921504606846976 is larger"),
        (pa.array([f"[1, {2**70}]"]), "is not a list of numbers"),
    ],
)
def test_other_cells_are_odd(cells, problem):
    [error] = read_vectors(cells, 2).errors.values()
    assert problem in error


def test_null_is_a_gap_in_every_type():
    for dtype in (pa.null(), pa.string(), pa.list_(pa.null()), pa.list_(pa.float32(), 2)):
        read = read_vectors(pa.nulls(3, dtype), 2)
        assert read.errors == {}
        assert np.isnan(read.values).all()


@settings(max_examples=50)
@given(st.lists(st.none() | st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=2), min_size=1))
def test_text_is_read_as_the_lists_that_it_writes(lists):
    texts = pa.array([None if row is None else json.dumps(row) for row in lists], pa.string())
    as_lists = read_vectors(pa.array(lists, pa.list_(pa.float64())), 2)
    np.testing.assert_array_equal(read_vectors(texts, 2).values, as_lists.values)


def test_words_for_missing_values_are_gaps():
    assert np.isnan(read_vectors(pa.array([[-999.0, 1.0]]), 2, ["-999"]).values[0]).tolist() == [True, False]


def test_half_floats_and_extension_types_are_read():
    half = pa.array(np.array([1, 2, 3, 4], np.float16))
    assert read_vectors(pa.FixedSizeListArray.from_arrays(half, 2), 2).values.tolist() == [[1, 2], [3, 4]]
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert read_vectors(tensor, 2).values.tolist() == [[1, 2], [3, 4]]


def test_lengths_of_missing_lists_are_negative():
    assert list_lengths(pa.array([[1], None, []])).tolist() == [1, -1, 0]
