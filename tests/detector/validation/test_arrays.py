import contextlib
import datetime
import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ebmood import EbmoodError, InputError
from ebmood.detector.validation.arrays import read_rows

TABLE = {"age": [1.5, 2.0, 3.0], "height": [4, 5, 6], "member": [True, False, True]}
VALUES = np.array([[1.5, 4, 1], [2, 5, 0], [3, 6, 1]])


@pytest.mark.parametrize(
    "X",
    [
        pd.DataFrame(TABLE),
        pd.DataFrame(TABLE).convert_dtypes(),
        pd.DataFrame(TABLE).astype(object),
        pd.DataFrame(TABLE).astype({"height": "uint8", "age": "float32"}),
        pl.DataFrame(TABLE),
        pa.table(TABLE),
    ],
)
def test_data_frames_of_all_libraries_give_the_same_rows_and_names(X):
    rows = read_rows(X)
    np.testing.assert_array_equal(rows.values, VALUES)
    assert rows.values.dtype == np.float64
    assert rows.names == ("age", "height", "member")


@pytest.mark.parametrize(
    "X",
    [
        VALUES,
        VALUES.astype(np.float32),
        np.asfortranarray(VALUES),
        VALUES.astype(object),
        VALUES.tolist(),
        torch.tensor(VALUES, requires_grad=True),
        torch.tensor(VALUES, dtype=torch.bfloat16),
        pd.DataFrame(VALUES),
        np.ma.masked_array(VALUES),
    ],
)
def test_arrays_of_all_libraries_give_the_same_rows_without_names(X):
    rows = read_rows(X)
    np.testing.assert_array_equal(rows.values, VALUES)
    assert rows.names is None


GAPS = {"a": [1.0, None, 2.0], "b": [True, None, False], "c": [None, "u", "v"]}


@pytest.mark.parametrize(
    "X",
    [
        pd.DataFrame(GAPS),
        pd.DataFrame(GAPS).convert_dtypes(),
        pd.DataFrame(GAPS).astype({"c": "category"}),
        pl.DataFrame(GAPS),
        pl.DataFrame(GAPS, schema_overrides={"c": pl.Enum(["x", "v", "u"])}),
        pa.table(GAPS),
        pa.table(GAPS).set_column(2, "c", pa.array(GAPS["c"]).dictionary_encode()),
    ],
)
def test_missing_values_and_categories_of_all_libraries_are_the_same(X):
    rows = read_rows(X)
    np.testing.assert_array_equal(rows.values, [[1, 1, np.nan], [np.nan, np.nan, 0], [2, 0, 1]])
    assert rows.levels == {2: ("u", "v")}
    new = read_rows(X, {2: ("w", "v")})
    np.testing.assert_array_equal(new.values[:, 2], [np.nan, 2, 1])
    extended = read_rows(X, {2: ("w", "v")}, extend_levels=True)
    np.testing.assert_array_equal(extended.values[:, 2], [np.nan, 2, 1])
    assert extended.levels == {2: ("w", "v", "u")}


@pytest.mark.parametrize(
    "X", [np.array([[1.0, np.nan]]), [[1.0, None]], np.ma.masked_array([[1.0, 2]], [[False, True]])]
)
def test_missing_values_of_arrays_are_nan(X):
    np.testing.assert_array_equal(read_rows(X).values, [[1.0, np.nan]])


def test_a_nullable_column_may_hold_missing_values_only():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": pd.array([pd.NA, pd.NA], dtype="Int64")})
    np.testing.assert_array_equal(read_rows(frame).values[:, 1], [np.nan, np.nan])


@pytest.mark.parametrize(
    "column", [["1", "0.50", "true"], [1, 0.5, True], pd.Categorical(["1.0", "0.5", "TRUE"]), [1.0, 0.5, 1.0]]
)
def test_one_value_in_several_types_is_the_same_number_and_the_same_category(column):
    frame = pd.DataFrame({"x": column})
    np.testing.assert_array_equal(read_rows(frame, {}).values[:, 0], [1, 0.5, 1])
    np.testing.assert_array_equal(read_rows(frame, {0: ("0.5", "1")}).values[:, 0], [1, 0, 1])


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("1_0", "'1_0' is not a number"),
        ("nan_", "is not a number"),
        ("inf", "inf is infinite"),
        (str(2**53 + 1), "2^53"),
    ],
)
@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.table])
def test_text_in_a_column_of_numbers_is_read_as_in_a_file(library, cell, problem):
    with pytest.raises(InputError, match=f"X: row 1, column 'x': .*{re.escape(problem)}"):
        read_rows(library({"x": ["1.5", cell]}), {})
    rows = read_rows(library({"x": [" 2.5", "", "N/A", None, "1,234.5"]}), {})
    np.testing.assert_array_equal(rows.values[:, 0], [2.5, np.nan, np.nan, np.nan, 1234.5])


@pytest.mark.parametrize(
    "times",
    [
        pa.array([2**31 - 1], pa.int32()).cast(pa.date32()),
        pa.array([0], pa.timestamp("us", "Nowhere/City")),
    ],
)
def test_times_that_python_does_not_have_are_refused_in_a_column_of_categories(times):
    with pytest.raises(InputError, match=r"X: column 't': .*correct the cells, or leave the column out"):
        read_rows(pa.table({"t": times}), {0: ("x",)})


def test_an_array_cannot_stand_for_a_frame_with_categories():
    with pytest.raises(InputError, match="give a data frame"):
        read_rows(np.ones((2, 2)), {0: ("a", "b")})


def test_images_are_flattened():
    X = np.arange(24, dtype=np.uint8).reshape(2, 1, 3, 4)
    rows = read_rows(X)
    assert rows.shape == (1, 3, 4)
    np.testing.assert_array_equal(rows.values[1], np.arange(12, 24))


BIG = 2**53 + 1
INVALID = [
    (np.array([[1.0, 2], [np.inf, 2]]), r"row 1, column 0: inf"),
    (pd.DataFrame({"b": [1.0, 2, 3, "y"]}, dtype=object), r"row 3, column 'b': text 'y'.*correct the cell"),
    (pl.DataFrame({"t": [datetime.date(2020, 1, 1)]}), r"column 't': dates.*leave the column out"),
    (pl.DataFrame({"l": [[1, 2], [3]]}), r"column 'l': values of type List.*np.stack"),
    (pl.DataFrame({"l": np.ones((2, 3))}), r"column 'l': values of type Array.*np.stack"),
    (pd.DataFrame({"l": list(np.ones((2, 3)))}), r"row 0, column 'l': 3 values in one cell.*np.stack"),
    (pd.DataFrame({"l": [[1.0, 2.0], [3.0, 4.0]]}), r"row 0, column 'l': 2 values in one cell"),
    (pd.DataFrame({"l": list(torch.ones(2, 3))}), r"row 0, column 'l': 3 values in one cell"),
    (pd.DataFrame([[1, 2]], columns=["a", "a"]), r"two columns are called 'a' \(columns \[0, 1\]\)"),
    (pa.Table.from_arrays([pa.array([1])] * 2, names=["a", "a"]), r"two columns are called 'a'"),
    (pd.DataFrame([[1, 2]], columns=["a", 3]), r"some column names are text and others are not"),
    (
        pd.DataFrame({"id": [1, BIG]}),
        r"row 1, column 'id': the whole number 9007199254740993 is larger than 2\^53.*leave the column out",
    ),
    (pl.DataFrame({"id": [-BIG]}), r"row 0, column 'id': .*larger than 2\^53"),
    (np.array([[1, 2], [3, -BIG]]), r"row 1, column 1: .*larger than 2\^53"),
    (torch.tensor([[BIG]]), r"row 0, column 0: .*larger than 2\^53"),
    ([[1, 10**400]], r"row 0, column 1: .*larger than 2\^53"),
    ([[1.0, 2], [3]], r"row 1 has 1 value, row 0 has 2"),
    ([[1.0, "two"]], r"row 0, column 1: text 'two'|row 0, column 0: text"),
    (np.array([[1.0, {}]], dtype=object), r"row 0, column 1: .*not 'dict'"),
    (np.array([[1 + 2j]]), "Complex data not supported"),
    (np.array([["2020-01-01"]], dtype="datetime64[D]"), "dates"),
    (scipy.sparse.eye(3).tocsr(), r"sparse.*toarray"),
    (torch.eye(3).to_sparse(), r"sparse.*to_dense"),
    (torch.zeros(2, 2, device="meta"), "no values"),
    (pd.DataFrame({"c": pd.Series(["x", "\ud83d"], dtype=object)}), "column 'c': .*surrogates not allowed"),
    (np.rec.fromarrays([[1.0, 2], [3.0, 4]], names="a,b"), r"named fields; give a data frame"),
    ([{"a": 1.0}, {"a": 2.0}], r"list of mappings; give a data frame"),
    ({"a": np.ones((2, 2))}, r"dict with a; give one array"),
    (Path("table.csv"), r"read the file first"),
    (np.empty((0, 3)), r"0 sample"),
    (np.empty((3, 0)), r"0 feature\(s\)"),
    (pd.DataFrame({"a": []}), r"0 sample"),
    (np.zeros(3), r"Reshape your data"),
    (pd.Series([1.0, 2]), r"Reshape your data"),
    (np.array([], dtype=object), r"Reshape your data"),
    (pl.LazyFrame({"a": [1]}), r"collect\(\)"),
    (None, r"X: None; give an array"),
    ("table.csv", r"read the file first"),
    (np.array([[np.longdouble("1e4000")]]), r"row 0, column 0: inf"),
    (np.zeros((2, 3, 2)) + np.array([0, np.inf]), r"row 0, feature \(0, 1\): inf"),
]


@pytest.mark.parametrize(("X", "message"), INVALID)
def test_invalid_input_is_refused_in_one_line_that_names_the_cell(X, message):
    with pytest.raises(InputError, match=message) as error:
        read_rows(X)
    assert "\n" not in str(error.value)


CELLS = st.one_of(
    st.floats(),
    st.integers(),
    st.booleans(),
    st.text(max_size=3),
    st.none(),
    st.binary(max_size=2),
    st.complex_numbers(),
)


def rows_or_none(X):
    """Return rows, or None after an `EbmoodError`. Another exception fails the test."""
    with contextlib.suppress(EbmoodError):
        return read_rows(X)


@settings(deadline=None, max_examples=200)
@given(st.one_of(CELLS, st.lists(CELLS), st.lists(st.lists(CELLS, max_size=3), max_size=4)))
def test_any_object_gives_rows_without_infinity_or_an_ebmood_error(X):
    rows = rows_or_none(X)
    assert rows is None or not np.isinf(rows.values).any()


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(st.text(max_size=3), st.lists(CELLS, min_size=2, max_size=2), max_size=4))
def test_any_data_frame_gives_rows_without_infinity_or_an_ebmood_error(columns):
    rows = rows_or_none(pd.DataFrame(columns))
    assert rows is None or not np.isinf(rows.values).any()


def test_a_record_batch_keeps_its_names():
    batch = pa.RecordBatch.from_pydict({"a": [1.0, 2.0], "b": ["x", "y"]})
    rows = read_rows(batch)
    assert rows.names == ("a", "b")
    assert rows.levels == read_rows(pa.Table.from_batches([batch])).levels


def test_names_of_several_levels_are_refused():
    frame = pd.DataFrame(np.ones((3, 2)), columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]))
    with pytest.raises(InputError, match="names of several levels"):
        read_rows(frame)


def arrays_of(row) -> np.ndarray:
    """A vector of two objects, such as a column of embeddings in a data frame."""
    array = np.empty(2, dtype=object)
    array[:] = [row, row]
    return array


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (None, "^X: None; give an array"),
        ((row for row in [[1.0, 2.0]]), r"^X: of type generator; give list\(X\)"),
        (map(float, "12"), r"^X: of type map; give list\(X\)"),
        ({1.0, 2.0}, r"^X: of type set; give list\(X\)"),
        (object(), "^X: of type object; give an array"),
        (arrays_of(np.zeros(3)), r"^X: an array of objects of type ndarray; give np.stack\(X\)"),
        (arrays_of([0.0, 1.0]), r"^X: an array of objects of type list; give np.stack\(X\)"),
        (np.zeros(3), "Reshape your data"),
        (np.array([1.0, None], dtype=object), "Reshape your data"),
    ],
    ids=["None", "generator", "map", "set", "object", "arrays", "lists", "numbers", "a number and None"],
)
def test_other_objects_say_what_they_are(x, message):
    with pytest.raises(InputError, match=message):
        read_rows(x)


def test_stacked_arrays_are_rows():
    assert read_rows(np.stack(arrays_of(np.zeros(3)))).values.shape == (2, 3)
