import numpy as np
import pyarrow
import pytest

from ebmood.core.errors import EbmoodError
from ebmood.detector.io.table_stream import Chunk
from ebmood.detector.preparation import Preparation, fit_preparation, read_columns


def chunk_of(**columns: list) -> Chunk:
    return Chunk("t", 0, pyarrow.RecordBatch.from_pydict(columns))


def test_medians_and_categories_are_computed_from_training_rows():
    chunk = chunk_of(n=["1", "3", "", "100"], c=["u", "v", "u", "w"])
    raw = read_columns(chunk, ["n", "c"], ["c"], ["n"])
    preparation = fit_preparation(raw, np.array([0, 1, 2]), ["n"], ["id"])
    assert preparation == Preparation(
        columns=("n", "c"), categories={"c": ("u", "v")}, fills={"n": 2.0}, ignored=("id",)
    )
    assert preparation.features == ("n", "c=u", "c=v")
    expected = [[1, 1, 0], [3, 0, 1], [2, 1, 0], [100, 0, 0]]
    assert preparation.apply(raw).tolist() == expected
    assert preparation.read(chunk).tolist() == expected
    assert Preparation.model_validate_json(preparation.model_dump_json()) == preparation


def test_a_missing_number_is_an_error_that_names_the_option():
    chunk = chunk_of(**{"my n": ["1", ""]})
    with pytest.raises(EbmoodError, match=r"row 2, column 'my n': the number is missing.*--impute 'my n'"):
        read_columns(chunk, ["my n"], [], [])


def test_columns_are_checked_by_name():
    preparation = Preparation(columns=("a", "b"), ignored=("label",))
    preparation.check_columns("t", ["b", "label", "a"])
    preparation.check_columns("t", ["b", "id", "a"], ["id"])
    with pytest.raises(EbmoodError, match=r"no column 'b'.*is it 'bb'"):
        preparation.check_columns("t", ["a", "bb"])
    with pytest.raises(EbmoodError, match=r"column 'id' was not in the training data.*--drop id"):
        preparation.check_columns("t", ["a", "b", "id"])


def test_two_features_with_one_name_are_refused():
    raw = read_columns(chunk_of(**{"a": ["1"], "a=1": ["2"]}), ["a", "a=1"], ["a"], [])
    with pytest.raises(EbmoodError, match="two features are called 'a=1'"):
        fit_preparation(raw, np.array([0]), [], [])
