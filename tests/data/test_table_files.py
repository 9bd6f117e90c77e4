"""Every error in a file gives a message of one line that names the file, the column and the row."""

import numpy as np
import pyarrow as pa
import pytest
from helpers.table_files import FORMATS, error_message, write_table
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from ebmood.data import Table
from ebmood.data.table_files import class_name, read_rows


@pytest.mark.parametrize("suffix", FORMATS)
@settings(deadline=None)
@given(data=st.data())
def test_values_are_read_exactly(tmp_path_factory, suffix, data):
    rows = data.draw(st.integers(1, 8))
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    x = np.array(data.draw(st.lists(st.tuples(numbers, numbers, numbers), min_size=rows, max_size=rows)))
    labels = data.draw(st.lists(st.integers(-3, 12), min_size=rows, max_size=rows))
    path = write_table(tmp_path_factory.mktemp("table"), suffix, x, labels)
    read = read_rows(path, "y")
    np.testing.assert_array_equal(read.x, x)
    assert read.labels is not None
    assert read.labels.tolist() == [str(label) for label in labels]
    assert read.features == ("f0", "f1", "f2")


def test_class_names_do_not_depend_on_the_type_of_the_label():
    assert {class_name(value) for value in (1, 1.0, np.float64(1), np.int8(1), "1", " 1 ", b"1")} == {"1"}
    assert class_name(1.5) == "1.5"


def test_dropped_columns_may_hold_text(csv):
    data = Table(path=str(csv("id,a,y\nr1,1,u\nr2,2,v\n")), label_column="y", drop=("id",)).load()
    assert data.features == ("a",)


def test_spaces_and_a_byte_order_mark_are_ignored(csv):
    data = Table(path=str(csv("\ufeffa,y\n 1 , u \n2,v\n")), label_column="y", hold_out=("v",)).load()
    assert data.features == ("a",)
    assert data.classes == ("u",)


def test_a_text_file_without_header(csv):
    rows = read_rows(csv("1 2.5 7\n3 -4e-2 8\n", "drive.txt"), "f2")
    np.testing.assert_array_equal(rows.x, [[1, 2.5], [3, -0.04]])
    assert rows.labels is not None
    assert rows.labels.tolist() == ["7", "8"]


def test_missing_file(tmp_path):
    error_message(tmp_path / "missing.csv", "no such file")


def test_folder_instead_of_a_file(tmp_path):
    error_message(tmp_path, "is a folder")


def test_unsupported_suffix(csv):
    error_message(csv("a,y\n1,2\n", "data.xlsx"), "'.xlsx'", ".csv", ".parquet", ".npz")


def test_error_of_the_operating_system(tmp_path):
    error_message(tmp_path / ("long" * 100 + ".csv"), "cannot be read")


@pytest.mark.parametrize("suffix", [*FORMATS, "txt"])
def test_empty_file(csv, suffix):
    error_message(csv("", f"data.{suffix}"), "empty")


@pytest.mark.parametrize("text", ["a,y", "a,y\n"])
def test_header_without_rows(csv, text):
    error_message(csv(text), "no rows")


def test_ragged_csv_names_the_row(csv):
    error_message(csv("a,b,y\n1,2,u\n3,4\n"), "Expected 3 columns, got 2")
    error_message(csv("a,b,y\n1,2,u\n3,4,v,w\n"), "Expected 3 columns, got 4")


def test_duplicate_column_names(csv):
    error_message(csv("a,b,a,y\n1,2,3,u\n"), "'a' occurs twice")


@pytest.mark.parametrize("suffix", ["parquet", "npz"])
def test_content_of_another_type_than_the_suffix(csv, suffix):
    error_message(csv("a,y\n1,2\n", f"data.{suffix}"), "not a")


def test_bytes_that_are_not_text(csv):
    error_message(csv(b"a,y\n\xff\xfe,1\n"), "comma-separated")


def test_missing_label_column_lists_similar_names(csv):
    similar = csv("width,klass,colour\n1,2,3\n")
    error_message(similar, "'class'", "similar columns are 'klass'", "label_column", label_column="class")
    error_message(csv("width,q\n1,2\n"), "the columns are 'width', 'q'", label_column="species")


def test_dropping_a_column_that_does_not_exist(csv):
    error_message(csv("width,y\n1,2\n"), "'widht'", "'width'", "drop", drop=("widht",))


def test_no_feature_column(csv):
    error_message(csv("a,y\n1,2\n"), "no feature column", drop=("a",))


@pytest.mark.parametrize(
    ("cell", "message"),
    [("abc", "'abc' is not a number"), ('"1,5"', "'1,5' is not a number"), ("", "the cell is empty")],
)
def test_text_in_a_numeric_column_is_reported_with_column_row_and_value(csv, cell, message):
    error_message(csv(f"a,b,y\n1,2,u\n3,{cell},v\n"), "column 'b'", "row 2", message)


@pytest.mark.parametrize(
    ("cell", "message"), [("nan", "nan"), ("inf", "inf"), ("-Infinity", "-inf"), ("1e999", "inf")]
)
def test_non_finite_values_in_csv(csv, cell, message):
    error_message(
        csv(f"a,b,y\n1,2,u\n3,4,v\n5,{cell},v\n"), "column 'b'", "row 3", f"{message} is not finite"
    )


@pytest.mark.parametrize("suffix", ["parquet", "npz"])
@settings(deadline=None)
@given(row=st.integers(0, 4), column=st.integers(0, 2), value=st.sampled_from([np.nan, np.inf, -np.inf]))
def test_non_finite_values_are_reported_with_column_and_row(tmp_path_factory, suffix, row, column, value):
    x = np.zeros((5, 3))
    x[row, column] = value
    path = write_table(tmp_path_factory.mktemp("table"), suffix, x, [1] * 5)
    error_message(path, f"column 'f{column}'", f"row {row + 1}:", "not finite")


def test_missing_label_of_a_row(csv, tmp_path):
    error_message(csv("a,y\n1,u\n2,\n"), "column 'y'", "row 2", "label is missing")
    parquet.write_table(pa.table({"a": [1.0, 2.0], "y": ["u", None]}), tmp_path / "t.parquet")
    error_message(tmp_path / "t.parquet", "column 'y'", "row 2", "label is missing")


def test_parquet_cells_and_types(tmp_path):
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"a": [1.0, None], "y": [1, 2]}), path)
    error_message(path, "column 'a'", "row 2", "empty")
    parquet.write_table(pa.table({"a": pa.array([1, 2], pa.timestamp("s")), "b": [1, 2], "y": [1, 2]}), path)
    error_message(path, "column 'a'", "timestamp", "drop")
    parquet.write_table(pa.table({"a": ["1", "x"], "y": [1, 2]}), path)
    error_message(path, "column 'a'", "row 2", "'x'")
    parquet.write_table(pa.table({"a": pa.array(["1", "2"]).dictionary_encode(), "y": [1, 2]}), path)
    np.testing.assert_array_equal(Table(path=str(path), label_column="y").load().x, [[1], [2]])
    columns = {"a": [1, 2], "flag": [True, False], "y": [1, 2]}
    parquet.write_table(pa.table({**columns, "__index_level_0__": [7, 8]}), path)
    assert Table(path=str(path), label_column="y").load().features == ("a", "flag")


def test_npz_contents(tmp_path):
    path = tmp_path / "t.npz"
    np.savez(path, data=np.zeros((3, 2)), y=[1, 2, 3])
    error_message(path, "no array 'X'", "'data'")
    np.savez(path, X=np.zeros(3), y=[1, 2, 3])
    error_message(path, "(3,)", "(rows, columns)")
    np.savez(path, X=np.zeros((3, 2)), y=[1, 2])
    error_message(path, "'y'", "(2,)", "3 rows")
    np.savez(path, X=np.zeros((3, 2)), labels=[1, 2, 3])
    error_message(path, "no column 'y'", "'labels'")
    np.savez(path, X=np.zeros((0, 2)), y=[])
    error_message(path, "no rows")
    np.savez(path, X=np.array([["1", "2"], ["3", "four"]]), y=[1, 2])
    error_message(path, "column 'f1'", "row 2", "'four'")
    np.savez(path, X=np.zeros((2, 2), dtype=complex), y=[1, 2])
    error_message(path, "complex128")
    np.savez(path, X=np.array([[1, None]], dtype=object), y=[1])
    error_message(path, "plain arrays")  # pickled objects are not loaded
