import numpy as np
import pytest

from ebmood.core.errors import InputError
from ebmood.data.rows import check_finite, rows_of


@pytest.mark.parametrize(
    ("x", "shape", "message"),
    [
        ([["a", "b"]], (2,), "values of type <U1; give numbers"),
        ([[1, 2], [3]], (2,), "rows of different lengths"),
        ([1.0, 2.0], (2,), r"1 axes; give rows and columns, x\[None\] if it is one row"),
        (np.zeros((4, 3)), (2,), "3 columns, but the training rows have 2"),
        (
            np.zeros((4, 1, 8, 8)),
            (3, 8, 8),
            r"rows of shape \(1, 8, 8\), but the training rows have \(3, 8, 8\)",
        ),
    ],
)
def test_what_are_no_rows_is_refused_in_one_line(x, shape, message):
    with pytest.raises(InputError, match=f"^x: {message}[^\n]*$"):
        rows_of(x, shape)


def test_an_array_is_returned_without_a_copy_and_a_list_as_an_array():
    x = np.zeros((3, 2))
    assert rows_of(x, (2,)) is x
    np.testing.assert_array_equal(rows_of([[0, 1]], None), [[0, 1]])


def test_the_first_value_that_is_not_finite_is_named():
    x = np.zeros((3, 2))
    check_finite(x)
    x[1, 1] = np.inf
    with pytest.raises(InputError, match=r"^new: inf in row 11, column 1; "):
        check_finite(x, "new", first=10)
