import re

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ebmood import InputError
from ebmood.detector.validation.arrays import read_rows
from ebmood.detector.validation.rows import check_columns, column_labels


def test_features_of_images_are_named_by_their_index():
    assert column_labels((1, 3, 4), None)[6] == "x[0,1,2]"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("b", "a", "c"), r"another order: column 0 is 'b' where the fit had 'a'"),
        (("a", "b"), r"'c' of the fit is missing"),
        (("a", "b", "c", "d"), r"'d' was not in the training data.*X\.drop\(columns=\['d'\]\)"),
        (("a", "b", "cc"), r"'c' of the fit is missing \(is it 'cc'\?\)"),
    ],
)
def test_other_columns_than_those_of_the_fit_are_refused(names, message):
    rows = read_rows(pl.DataFrame({name: [1.0] for name in names}))
    with pytest.raises(InputError, match=message) as error:
        check_columns(rows, (3,), ("a", "b", "c"))
    assert "\n" not in str(error.value)


def test_missing_names_are_a_warning():
    with pytest.warns(
        UserWarning, match="X does not have valid feature names, but EnergyDetector was fitted"
    ):
        check_columns(read_rows([[1, 2]]), (2,), ("a", "b"))
    with pytest.warns(UserWarning, match="X has feature names, but EnergyDetector was fitted without"):
        check_columns(read_rows(pd.DataFrame({"a": [1]})), (1,), None)


def test_another_shape_is_an_error():
    message = "X has 2 features, but EnergyDetector is expecting 3 features as input"
    with pytest.raises(InputError, match=message):
        check_columns(read_rows([[1, 2]]), (3,), None)
    message = re.escape("(1, 2, 2), but the detector was fitted on rows of shape (4,)")
    with pytest.raises(InputError, match=message):
        check_columns(read_rows(np.zeros((1, 1, 2, 2))), (4,), None)
