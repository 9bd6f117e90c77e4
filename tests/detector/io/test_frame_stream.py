import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ebmood import InputError
from ebmood.detector.io.frame_stream import to_arrow


def objects(*values: object) -> pd.DataFrame:
    return pd.DataFrame({"a": pd.Series(values, dtype=object)})


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        (pd.arrays.SparseArray([0.0, 2.5, np.nan]), [0.0, 2.5, None]),
        (pd.arrays.SparseArray([0, 2]), [0, 2]),
        (
            pd.period_range("2020-01-01", periods=2),
            [datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 2)],
        ),
        (pd.PeriodIndex(["2020Q2", None], freq="Q"), [datetime.datetime(2020, 4, 1), None]),
        (pd.interval_range(0, 2), ["(0, 1]", "(1, 2]"]),
        (pd.Series([1, "x", None, [1.5]], dtype=object), ["1", "x", None, "[1.5]"]),
    ],
)
def test_columns_of_pandas_are_read_as_in_a_file(column, cells):
    [values] = to_arrow(pd.DataFrame({"a": column})).columns
    assert values.to_pylist() == cells
    rows = [{"a": value} for value in column]
    if not isinstance(column, pd.arrays.SparseArray):
        assert to_arrow(rows)["a"].to_pylist() == cells


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([{1: 2.0}], "X: the column name 1 is not text"),
        ([{None: 2.0}], "X: the column name None is not text"),
        ([{"\ud83d": 2.0}], r"X: the column name '\\ud83d' is not Unicode"),
        (pd.DataFrame({1: [2.0]}), "X: the column name 1 is not text"),
        (pd.DataFrame([[1, 2]], columns=[("a", "x"), ("a", "y")]), "names of several levels"),
        (
            pd.DataFrame([[1, 2, 3]], columns=["b", "a", "a"]),
            r"two columns are called 'a' \(columns \[1, 2\]\)",
        ),
        (pd.DataFrame({"a": [1.0, 2j]}), "X: row 0, column 'a': complex; give a number or text"),
        (pd.DataFrame({"a": np.array([2j], np.complex64)}), "X: row 0, column 'a': complex"),
        ([{"a": 1.0}, {"a": 2j}], "X: row 1, column 'a': complex"),
        ([{"a": "x"}, {"a": "\ud83d"}], r"X: row 1, column 'a': '\\ud83d' is not Unicode"),
        (objects("x", "\ud83d"), r"X: row 1, column 'a': '\\ud83d' is not Unicode"),
        (objects(1, "\ud83d"), r"X: row 1, column 'a': '\\ud83d' is not Unicode"),
        (objects(1, b"x"), "X: row 1, column 'a': bytes; give a number or text"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(X, message):
    with pytest.raises(InputError, match=message) as error:
        to_arrow(X)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.table])
def test_frames_of_all_libraries_are_the_same_table(library):
    columns = {"a": [1.5, None], "b": ["x", None], "c": [True, False], "d": [datetime.date(2020, 1, 1)] * 2}
    assert to_arrow(library(columns)).to_pydict() == columns
