"""Names of categories and their numbers."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebmood.detector.cells.categories import (
    Levels,
    category_name,
    category_names,
    encode,
    find_levels,
    level_numbers,
)

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.dates(),
    st.datetimes(),
    st.sampled_from(["1", "0", "true", "False", "1.0", "-2.50", " a ", "NA"]),
)


def codes_of(names: list[str | None], levels: Levels) -> np.ndarray:
    return encode(pyarrow.array(names, pyarrow.string()), levels)


@given(st.lists(VALUES, max_size=20))
def test_encoded_names_can_be_read_back(values):
    names = [category_name(value) for value in values]
    levels = find_levels(names)
    assert sorted(levels) == sorted({name for name in names if name is not None})
    codes = codes_of(names, levels)
    assert codes.dtype == np.float64
    assert [None if np.isnan(code) else levels[int(code)] for code in codes] == names


@given(VALUES)
def test_the_name_of_a_name_is_the_name(value):
    name = category_name(value)
    assert category_name(name) == name
    assert name is None or name == name.strip() != ""


@given(st.lists(VALUES, min_size=1, max_size=20), VALUES)
def test_an_unknown_name_has_the_number_after_all_levels(values, other):
    names = [category_name(value) for value in values]
    levels = tuple(level for level in find_levels(names) if level != category_name(other))
    name = category_name(other)
    if name is not None and name not in level_numbers(levels):
        assert codes_of([name], levels).tolist() == [len(levels)]


@pytest.mark.parametrize(
    "values",
    [
        [1, 1.0, "1", " 1.0", np.int64(1), np.float32(1), decimal.Decimal("1.00"), "+1"],
        [-2.5, "-2.5", "-2.50", decimal.Decimal("-2.5")],
        [0.1, "0.1", "0.10"],
        [True, "true", "TRUE", np.bool_(True)],
        [datetime.date(2024, 5, 1), datetime.datetime(2024, 5, 1), "2024-05-01", pd.Timestamp("2024-05-01")],
        [None, float("nan"), np.nan, "", "  ", pd.NA, pd.NaT, np.ma.masked],
    ],
)
def test_one_value_in_several_types_has_one_name(values):
    assert len({category_name(value) for value in values}) == 1


@pytest.mark.parametrize(
    "codes", [["007", "7"], ["1", "1.5"], ["a", "A"], ["1", "-1"], ["NA", "nan"], ["1", "true"]]
)
def test_different_codes_have_different_names(codes):
    assert len({category_name(code) for code in codes}) == len(codes)


def test_levels_are_ordered_by_frequency_and_then_by_name():
    assert find_levels(["b", "c", "a", None, "c", "b"]) == ("b", "c", "a")
    assert find_levels(reversed(["b", "c", "a", None, "c", "b"])) == ("b", "c", "a")
    assert find_levels([None]) == ()


@pytest.mark.parametrize(
    "trained", [[True, False, True], [1, 0, 1], ["true", "FALSE", "True"], ["1.0", "0.0", "1"]]
)
@pytest.mark.parametrize("new", [[True, False], [1, 0], [1.0, 0.0], ["true", "false"], ["TRUE", "0"]])
def test_booleans_may_be_written_in_any_way(trained, new):
    levels = find_levels(map(category_name, trained))
    assert codes_of([category_name(value) for value in new], levels).tolist() == [0, 1]


def test_numbers_beside_booleans_are_levels_of_their_own():
    levels = find_levels(["true", "1", "true", "0", "0", "0"])
    assert codes_of(["true", "1", "0", "false"], levels).tolist() == [1, 2, 0, 0]


def test_equal_values_of_several_types_get_the_names_of_their_types():
    values = [True, 1, 1.0, "1", [1], None, np.nan, True, "b", "b"]
    assert category_names(values) == [category_name(value) for value in values]
