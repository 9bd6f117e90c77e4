import datetime

import numpy as np
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis.strategies import floats, integers, lists, one_of, text

from ebmood.detector.cells.categories import MISSING_WORDS
from ebmood.detector.cells.cell_values import (
    BOOLEANS,
    MISSING_NUMBERS,
    read_categories,
    read_numbers,
    read_times,
)
from ebmood.detector.cells.dates import DateFormat
from ebmood.detector.cells.number_format import NumberFormat


def numbers(cells: list, kind=None) -> np.ndarray:
    read = read_numbers(pyarrow.array(cells, kind))
    assert not read.errors
    return read.values


@settings(max_examples=200, deadline=None)
@given(lists(one_of(text(max_size=6), integers().map(str), floats().map(str)), min_size=1, max_size=5))
def test_any_text_is_a_number_or_missing_or_odd(cells):
    read = read_numbers(pyarrow.array(cells))
    for row, (cell, value) in enumerate(zip(cells, read.values.tolist(), strict=True)):
        word = cell.strip().lower()
        assert not np.isinf(value)
        if row in read.errors or word in {*MISSING_WORDS, *MISSING_NUMBERS}:
            assert np.isnan(value)
        else:
            assert value == BOOLEANS.get(word) or value == float(cell.replace("\u2212", "-"))


def test_numbers_booleans_and_missing_values_are_read():
    assert numbers(["\u22121.5", "2"]).tolist() == [-1.5, 2]
    assert numbers([" 1", "-2.5e3", "1e300"]).tolist() == [1, -2500, 1e300]
    np.testing.assert_array_equal(numbers(["1", "", "NA", "nan", "Null", None]), [1] + [np.nan] * 5)
    np.testing.assert_array_equal(numbers([True, False, None]), [1, 0, np.nan])
    np.testing.assert_array_equal(numbers([None, None]), [np.nan, np.nan])
    assert numbers([2**53, -(2**53)]).tolist() == [2.0**53, -(2.0**53)]
    assert numbers([str(2**53), "9007199254740993.0"]).tolist() == [2.0**53, 2.0**53]


def test_words_for_yes_and_no_are_numbers_in_their_columns_only():
    words = pyarrow.array(["True", "false", "", "1", "TRUE", "Y", "n", "off"])
    read = read_numbers(words, yes_no=True)
    np.testing.assert_array_equal(read.values, [1, 0, np.nan, 1, 1, 1, 0, 0])
    assert not read.errors
    assert set(read_numbers(words).errors) == {5, 6, 7}  # true and false are how programs write booleans
    assert read_numbers(pyarrow.array(["maybe"]), yes_no=True).errors == {
        0: "'maybe' is neither a number nor yes or no"
    }


@pytest.mark.parametrize("word", ["?", "-", "#N/A", "\\N", "<NA>", "NaT", "n/a", "NULL", "(null)", "."])
def test_words_for_missing_numbers(word):
    np.testing.assert_array_equal(numbers(["1.5", word]), [1.5, np.nan])


@pytest.mark.parametrize("word", ["?", "#N/A", "\\N", "<NA>", "NaT", "nan", ""])
def test_words_for_missing_categories(word):
    assert read_categories(pyarrow.array(["a", word, "NA"])).values.to_pylist() == ["a", None, "NA"]


def test_words_of_the_user_are_missing_in_all_kinds_of_columns():
    cells = pyarrow.array(["1", "Off", "-999"])
    missing = ("off", "-999")
    np.testing.assert_array_equal(read_numbers(cells, missing=missing).values, [1, np.nan, np.nan])
    assert read_categories(cells, missing).values.to_pylist() == ["1", None, None]
    assert read_categories(cells, ("off", "-999.0", "1.00")).values.to_pylist() == [None] * 3
    dates = pyarrow.array(["2020-01-31", "OFF"])
    assert np.isnat(read_times(dates, DateFormat.ISO, missing).values).tolist() == [False, True]


@pytest.mark.parametrize("word", ["-9999", "-9999.0"])
@pytest.mark.parametrize(
    "cells",
    [
        pyarrow.array(["1", "-9999", None]),
        pyarrow.array(["1.0", "-9999.00", ""]),
        pyarrow.array([1, -9999, None]),
        pyarrow.array([1.0, -9999.0, None]),
        pyarrow.array([1, -9999, None], pyarrow.decimal128(6)),
    ],
)
def test_a_number_that_means_missing_is_missing_in_any_type_and_spelling(word, cells):
    np.testing.assert_array_equal(read_numbers(cells, missing=(word,)).values, [1, np.nan, np.nan])
    np.testing.assert_array_equal(read_numbers(cells).values, [1, -9999, np.nan])
    assert read_categories(cells, missing=(word,)).values.to_pylist() == ["1", None, None]


@pytest.mark.parametrize(
    "cells", [["1700000000", "0"], ["1700000000.0", "0.0"], [1700000000, 0], [1.7e9, 0.0]]
)
def test_a_number_that_means_missing_is_no_time(cells):
    read = read_times(pyarrow.array(cells), DateFormat.SECONDS, missing=("0",))
    assert not read.errors
    assert np.isnat(read.values).tolist() == [False, True]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (["1", "two"], "'two' is not a number"),
        (["1", "inf"], "inf is infinite"),
        (["1", "1e999"], "1e999 is infinite"),
        ([1.0, float("-inf")], "-inf is infinite"),
        (["1", str(2**53 + 1)], "the whole number 9007199254740993 is larger than 2^53"),
        ([1, -(2**53) - 1], "the whole number -9007199254740993 is larger than 2^53"),
        ([None, [2]], "a list"),
        ([None, datetime.date(2020, 1, 31)], "a date32"),
    ],
)
def test_cells_that_are_not_numbers_are_odd(cells, problem):
    read = read_numbers(pyarrow.array(cells))
    assert list(read.errors) == [1]
    assert read.errors[1].startswith(problem)
    assert np.isnan(read.values[1])


@pytest.mark.parametrize(
    ("style", "cells", "values"),
    [
        (NumberFormat(decimal=","), ["17,8", "18", "-0,5e3"], [17.8, 18, -500]),
        (NumberFormat(thousands=","), ["1,108.74", "983.5", "1,000,000"], [1108.74, 983.5, 1e6]),
        (NumberFormat(decimal=",", thousands="."), ["1.108,74", "983", "1.000.000"], [1108.74, 983, 1e6]),
        (NumberFormat(thousands=" "), ["1 108.5", "1\u202f108.5", "12"], [1108.5, 1108.5, 12]),
        (NumberFormat(unit="%"), ["17.5%", "3 %"], [17.5, 3]),
        (NumberFormat(unit="m3/h"), ["17.5 m3/h", "3m3/h"], [17.5, 3]),
        (NumberFormat(currency="€", decimal=","), ["€ 1,5", "€2"], [1.5, 2]),
    ],
)
def test_formats_of_numbers(style, cells, values):
    read = read_numbers(pyarrow.array([*cells, "", "x", "1;5"]), style)
    np.testing.assert_array_equal(read.values, [*values, np.nan, np.nan, np.nan])
    assert set(read.errors) == {len(cells) + 1, len(cells) + 2}


LARGE = np.array([1234.5, -82663.37, 1234567.0, 999.0])


@pytest.mark.parametrize("before", ["", "$"])
@pytest.mark.parametrize("unit", ["", " kg"])
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("thousands", [".", ",", " ", "\u202f", "'", "’"])
def test_larger_numbers_than_those_of_the_training_may_have_separators_of_thousands(
    before, unit, decimal, thousands
):
    if thousands == decimal:
        return
    write = {",": thousands, ".": decimal}
    texts = [f"{before}{x:,.2f}{unit}" for x in LARGE]
    cells = ["".join(write.get(sign, sign) for sign in text) for text in texts]
    style = NumberFormat(decimal=decimal, currency=before, unit=unit.strip())
    read = read_numbers(pyarrow.array(cells), style)
    np.testing.assert_array_equal(read.values, LARGE)
    assert not read.errors


@pytest.mark.parametrize(
    ("style", "cell"),
    [
        (NumberFormat(), "1,234"),
        (NumberFormat(decimal=","), "1.234"),
        (NumberFormat(decimal=","), "1,234.5"),
        (NumberFormat(), "1.234,5"),
        (NumberFormat(), "1,23,45.5"),
        (NumberFormat(unit="kg"), "1,234.5"),
        (NumberFormat(decimal=",", thousands="."), "1,234.5"),
    ],
)
def test_a_separator_that_may_be_a_decimal_sign_is_odd(style, cell):
    read = read_numbers(pyarrow.array([cell]), style)
    assert list(read.errors) == [0]
    assert np.isnan(read.values[0])


def test_a_number_without_its_unit_or_in_another_format_is_odd():
    assert read_numbers(pyarrow.array(["17.5"]), NumberFormat(unit="%")).errors == {
        0: "'17.5' is not a number with unit '%'"
    }
    assert read_numbers(pyarrow.array(["17.5"]), NumberFormat(decimal=",")).errors


def test_a_category_has_the_same_name_in_all_formats():
    def names(cells: list) -> list[str | None]:
        return read_categories(pyarrow.array(cells)).values.to_pylist()

    assert names(["1", " 2.0", ""]) == names([1, 2, None]) == ["1", "2", None]
    assert names([1.0, 2.0, float("nan")]) == ["1", "2", None]
    assert names([True, None]) == names(["true", ""])
    assert names(["007", "NA"]) == ["007", "NA"]
    times = [datetime.datetime(2020, 1, 31, 12, 30), datetime.datetime(2020, 2, 1)]
    assert names(times) == names(["2020-01-31T12:30", "2020-02-01 00:00:00"])
    utc = [time.replace(tzinfo=datetime.UTC) for time in times]
    assert names(utc) == names(["2020-01-31T12:30:00Z", "2020-02-01 00:00:00+0000"])


def test_numbers_with_the_other_decimal_sign_are_odd_and_the_message_says_so():
    read = read_numbers(pyarrow.array(["1.5", "2,25", "x"]))
    assert read.errors == {
        1: "'2,25' has a decimal comma, but the numbers of this column have decimal points",
        2: "'x' is not a number",
    }
    read = read_numbers(pyarrow.array(["1,5", "2.25"]), NumberFormat(decimal=","))
    assert read.errors == {
        1: "'2.25' has a decimal point, but the numbers of this column have decimal commas"
    }
    assert np.isnan(read.values[1])


def test_a_number_without_decimal_sign_is_not_said_to_have_the_other_one():
    read = read_numbers(pyarrow.array(["1,500", "1e3", "2,5"]), NumberFormat(thousands=","))
    assert read.errors == {
        1: "'1e3' is not a number with thousands separated by ','",
        2: "'2,5' has a decimal comma, but the numbers of this column have decimal points",
    }


def dates(numbers: list, kind: pyarrow.DataType) -> pyarrow.Array:
    return pyarrow.array(numbers, pyarrow.int32() if kind == pyarrow.date32() else pyarrow.int64()).cast(kind)


@pytest.mark.parametrize(
    ("kind", "per_day"),
    [
        (pyarrow.date32(), 1),
        (pyarrow.date64(), 86_400_000),
        (pyarrow.timestamp("s"), 86_400),
        (pyarrow.timestamp("us"), 86_400_000_000),
        (pyarrow.timestamp("ms", "UTC"), 86_400_000),
        (pyarrow.timestamp("s", "Asia/Tokyo"), 86_400),
    ],
)
def test_dates_beyond_those_of_python_are_odd(kind, per_day):
    first, last = (day.toordinal() - 719_163 for day in (datetime.date(1, 1, 2), datetime.date(9999, 12, 30)))
    largest = 2**31 - 1 if kind == pyarrow.date32() else 2**62
    days = [first, last, None, first - 2, last + 2]
    cells = dates([*(day if day is None else day * per_day for day in days), largest, -largest], kind)
    for read in (read_times(cells, DateFormat.ISO), read_categories(cells)):
        assert read.errors == dict.fromkeys((3, 4, 5, 6), "a date beyond the years 1 to 9999")
    assert read_times(cells, DateFormat.ISO).values[:2].astype(str).tolist()[1].startswith("9999-12-30")
    assert read_categories(cells).values.null_count == 5


def test_all_nanoseconds_are_dates():
    cells = pyarrow.array([-(2**63) + 1, 2**63 - 1], pyarrow.timestamp("ns"))
    assert not read_times(cells, DateFormat.ISO).errors


def test_times_in_an_unknown_zone_are_odd():
    cells = pyarrow.array([0, None], pyarrow.timestamp("us", "Nowhere/City"))
    for read in (read_times(cells, DateFormat.ISO), read_categories(cells)):
        assert read.errors == {0: "a time in the zone 'Nowhere/City', which is unknown"}
        assert len(read.values) == 2
