import re

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ebmood import InputError
from ebmood.detector.user_embedding import read_embedding_input
from ebmood.detector.validation.arrays import read_rows
from ebmood.detector.validation.rows import Columns, check_columns, column_labels, warn_about_names


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
        check_columns(rows.columns, Columns((3,), ("a", "b", "c")))
    assert "\n" not in str(error.value)


def test_missing_names_are_a_warning():
    rows, frame = read_rows([[1, 2]]), read_rows(pd.DataFrame({"a": [1]}))
    with pytest.warns(
        UserWarning, match="X does not have valid feature names, but EnergyDetector was fitted"
    ) as record:
        warn_about_names(rows.columns, Columns((2,), ("a", "b")))
    assert record[0].filename == __file__
    with pytest.warns(UserWarning, match="X has feature names, but EnergyDetector was fitted without"):
        warn_about_names(frame.columns, Columns((1,)))
    warn_about_names(rows.columns, rows.columns)
    warn_about_names(frame.columns, frame.columns)


def test_another_shape_is_an_error():
    message = "X has 2 features, but EnergyDetector is expecting 3 features as input"
    with pytest.raises(InputError, match=message):
        check_columns(Columns((2,)), Columns((3,)))
    message = re.escape("(1, 2, 2), but the detector was fitted on rows of shape (4,)")
    with pytest.raises(InputError, match=message):
        check_columns(Columns((1, 2, 2)), Columns((4,)))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (pd.DataFrame({"b": ["x"], "a": [1.0]}), "another order: column 0 is 'b'"),
        (pd.DataFrame({"b": ["x"]}), "'a' of the fit is missing"),
        (pd.DataFrame({"a": [1.0], "b": ["x"], "c": ["z"]}), "'c' was not in the training data"),
        (pd.DataFrame([["z", 1.0, "x"]]), "has 3 features, but EnergyDetector is expecting 2"),
        ([["x", 1.0]], "an array, but the detector was fitted on a data frame"),
    ],
)
@pytest.mark.parametrize("extend_levels", [False, True])
def test_columns_are_compared_before_cells_are_read(X, message, extend_levels):
    columns = Columns((2,), ("a", "b"))
    with pytest.raises(InputError, match=message):
        read_rows(X, {1: ("x",)}, columns, extend_levels)
    with pytest.raises(InputError, match="has 1 features, but EnergyDetector is expecting 2"):
        read_rows([["x"]], columns=columns)
    with pytest.raises(InputError, match="another order"):
        read_embedding_input(pd.DataFrame({"b": [np.inf], "a": [1.0]}), columns)
