import pytest

from ebmood.detector.io.header_search import find_header, has_width, unnamed_empty

ROWS = [["1", "2.5", "x"], ["2024-01-01", "7", ""], ["3", "4", "y"]]
HEADER = ["a", "b", "c"]


@pytest.mark.parametrize(
    "lead",
    [
        [],
        [["Report"]],
        [["Report of plants, 2024", "", ""]],
        [["Report", "2024", "", "", ""], ["", "", ""]],
        [["Device", "Logger 5"], ["Serial", "12"]],
        [["Device", "Logger 5", ""], ["Serial", "12", ""]],
    ],
)
def test_the_header_is_the_first_record_that_names_all_columns(lead):
    assert find_header([*lead, HEADER, *ROWS]) == len(lead)


@pytest.mark.parametrize(
    "records",
    [
        [],
        [HEADER],
        [["a", "b", ""], ["x", "y", "z"], *ROWS],  # the last column has no name
        [["a", "b"], ["x", "y", "z"], *ROWS],  # the name of one column is missing
        [["a", "a", "b"], *ROWS],
        [["2019", "2020", "2021"], *ROWS],
        [["", "", "c"], ["x", "y", "z"], *ROWS],
        [["Report"], ["x", "y", "z"], ["u", "v", "w"]],  # nothing tells rows from a header
    ],
)
def test_the_first_record_is_the_header_if_that_is_possible(records):
    assert find_header(records) == 0


def test_columns_without_name_and_values():
    assert unnamed_empty(["", "a", "", " "], [["1", "2", "", ""], ["2"], ["", "", "", "  "]]) == [2, 3]
    assert [has_width(row, 2) for row in (["1"], ["1", ""], ["1", "", " "], ["1", "", "2"])] == [
        False,
        True,
        True,
        False,
    ]
