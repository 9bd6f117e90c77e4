import numpy as np
import pyarrow
import pytest

from ebmood.core.errors import EbmoodError
from ebmood.detector.io.table_stream import Chunk
from ebmood.detector.preparation import Preparation


def chunk_of(**columns: list) -> Chunk:
    return Chunk("t", 0, pyarrow.RecordBatch.from_pydict(columns))


def test_numbers_categories_and_gaps_become_rows():
    chunk = chunk_of(n=["1", "3", "", "100"], id=["a", "b", "c", "d"], c=["u", "", "new", "v"])
    preparation = Preparation(columns=("n", "c"), categories=("c",), ignored=("id",))
    rows = preparation.encode(preparation.read(chunk), {1: ("v", "u")})
    np.testing.assert_array_equal(rows, [[1, 1], [3, np.nan], [np.nan, 2], [100, 0]])
    assert Preparation.model_validate_json(preparation.model_dump_json()) == preparation


def test_a_category_without_any_value_is_missing_in_all_rows():
    preparation = Preparation(columns=("c",), categories=("c",))
    rows = preparation.encode(preparation.read(chunk_of(c=["", ""])), {0: ("u",)})
    assert np.isnan(rows).all()


def test_columns_are_checked_by_name():
    preparation = Preparation(columns=("a", "b"), ignored=("label",))
    preparation.check_columns("t", ["b", "label", "a"])
    preparation.check_columns("t", ["b", "id", "a"], ["id"])
    with pytest.raises(EbmoodError, match=r"no column 'b'.*is it 'bb'"):
        preparation.check_columns("t", ["a", "bb"])
    with pytest.raises(
        EbmoodError, match=r"column 'id' was not in the training data.*X\.drop\(columns=\['id'\]\)"
    ):
        preparation.check_columns("t", ["a", "b", "id"])


def test_categories_are_columns_that_are_read():
    with pytest.raises(ValueError, match="among the columns"):
        Preparation(columns=("a",), categories=("b",))
