from hypothesis import given
from hypothesis import strategies as st

from ebmood.cli.column_lists import column_ranges, join_columns


def test_ranges_are_of_names_that_differ_in_their_last_number():
    assert column_ranges(["a1", "b2", "c3", "a3", "a2", "a1"]) == ["a1", "b2", "c3", "a3", "a2", "a1"]
    assert column_ranges(["a1b", "a2b", "a3b"]) == ["a1b", "a2b", "a3b"]
    assert column_ranges(["a01", "a02", "a03"]) == ["a01..a03"]
    assert column_ranges(["a9", "a10", "a11"]) == ["a9..a11"]
    assert column_ranges(["1", "2", "3"]) == ["1..3"]
    assert column_ranges([]) == []


def test_the_hidden_names_are_counted():
    assert join_columns([*(f"x{k}" for k in range(700)), "y", "z"], 1) == "x0..x699 and 2 more"


@given(st.lists(st.integers(0, 30), unique=True))
def test_ranges_hold_every_number_once(numbers):
    found = []
    for text in column_ranges([f"x[{number}]" for number in numbers]):
        first, _, last = text.replace("x[", "").replace("]", "").partition("..")
        found += range(int(first), int(last or first) + 1)
    assert found == numbers
