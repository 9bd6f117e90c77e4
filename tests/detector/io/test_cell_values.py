import datetime
import re

import numpy as np
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis.strategies import floats, integers, lists, one_of, text

from ebmood.core.errors import EbmoodError
from ebmood.detector.io.cell_values import MISSING_WORDS, read_categories, read_numbers
from ebmood.detector.io.table_stream import Chunk


def chunk_of(cells: list, kind=None) -> Chunk:
    """Return a chunk with one column `a`."""
    return Chunk("t", 0, pyarrow.RecordBatch.from_arrays([pyarrow.array(cells, kind)], names=["a"]))


def numbers(cells: list) -> np.ndarray:
    return read_numbers(chunk_of(cells), "a")


@settings(max_examples=150, deadline=None)
@given(lists(one_of(text(max_size=6), integers().map(str), floats().map(str)), min_size=1, max_size=5))
def test_any_text_is_a_number_or_missing_or_an_error_that_names_the_cell(cells):
    message = ""
    values = np.zeros(0)
    try:
        values = numbers(cells)
    except EbmoodError as error:
        message = str(error)
    assert bool(len(values)) != bool(re.match("t: row [1-5], column 'a': ", message))
    for cell, value in zip(cells, values.tolist(), strict=False):
        assert not np.isinf(value)
        assert np.isnan(value) == (cell.strip().lower() in MISSING_WORDS)
        assert np.isnan(value) or value == float(cell)


def test_numbers_booleans_and_missing_values_are_read():
    assert numbers([" 1", "-2.5e3", "1e300"]).tolist() == [1, -2500, 1e300]
    np.testing.assert_array_equal(numbers(["1", "", "NA", "nan", "Null", None]), [1] + [np.nan] * 5)
    np.testing.assert_array_equal(numbers([True, False, None]), [1, 0, np.nan])
    np.testing.assert_array_equal(numbers(["True", "false", "", "1", "TRUE"]), [1, 0, np.nan, 1, 1])
    np.testing.assert_array_equal(numbers([None, None]), [np.nan, np.nan])
    assert numbers([2**53, -(2**53)]).tolist() == [2.0**53, -(2.0**53)]
    assert numbers([str(2**53), "9007199254740993.0"]).tolist() == [2.0**53, 2.0**53]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ["1", "two"],
            r"t: row 2, column 'a': 'two' is text.*fit with categories=\['a'\] .*X.drop\(columns=\['a'\]\)",
        ),
        (["1", "inf"], "row 2, column 'a': .*infinite.*X.drop"),
        (["1", "1e999"], "row 2, column 'a': .*infinite"),
        ([1.0, float("-inf")], "row 2, column 'a': .*infinite"),
        (
            ["1", str(2**53 + 1)],
            "row 2, column 'a': the whole number 9007199254740993 is larger than 2\\^53.*X.drop",
        ),
        ([1, -(2**53) - 1], "row 2, column 'a': the whole number -9007199254740993 is larger than 2"),
        ([[1], [2]], "column 'a' holds list.*X.drop"),
    ],
)
def test_cells_that_are_not_numbers_are_named(cells, message):
    with pytest.raises(EbmoodError, match=message):
        numbers(cells)


def test_a_category_has_the_same_name_in_all_formats():
    def names(cells: list) -> list[str | None]:
        return read_categories(chunk_of(cells), "a").to_pylist()

    assert names(["1", " 2.0", ""]) == names([1, 2, None]) == ["1", "2", None]
    assert names([1.0, 2.0, float("nan")]) == ["1", "2", None]
    assert names([True, None]) == names(["true", ""])
    assert names(["007", "NA"]) == ["007", "NA"]
    times = [datetime.datetime(2020, 1, 31, 12, 30), datetime.datetime(2020, 2, 1)]
    assert names(times) == names(["2020-01-31T12:30", "2020-02-01 00:00:00"])
    utc = [time.replace(tzinfo=datetime.UTC) for time in times]
    assert names(utc) == names(["2020-01-31T12:30:00Z", "2020-02-01 00:00:00+0000"])
