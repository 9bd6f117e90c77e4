import numpy as np
import pyarrow
import pytest

from ebmood.core.errors import EbmoodError
from ebmood.detector.cells.dates import DateFormat
from ebmood.detector.io.table_stream import Chunk
from ebmood.detector.preparation import CategoryColumn, DateColumn, LeftOut, NumberColumn, Preparation
from ebmood.detector.preparation.cycles import Cycle


def chunk_of(**columns: list) -> Chunk:
    return Chunk("t", 0, pyarrow.RecordBatch.from_pydict(columns))


N, C = NumberColumn(name="n"), CategoryColumn(name="c")


def test_numbers_categories_dates_and_gaps_become_rows():
    times = ["2020-01-01T06:00", "2020-01-01T12:00", "", "2020-01-01T00:00"]
    chunk = chunk_of(n=["1", "3", "", "100"], id=["a", "b", "c", "d"], c=["u", "", "new", "v"], t=times)
    date = DateColumn(name="t", format=DateFormat.ISO, cycles=(Cycle.HOUR,))
    left_out = (LeftOut(name="id", reason="id"),)
    preparation = Preparation(columns=(N, C, date), left_out=left_out)
    assert preparation.features == ("n", "c", "t (sine of hour)", "t (cosine of hour)")
    rows = preparation.encode(preparation.read_strictly(chunk), {1: ("v", "u")})
    expected = [[1, 1, 1, 0], [3, np.nan, 0, -1], [np.nan, 2, np.nan, np.nan], [100, 0, 0, 1]]
    np.testing.assert_allclose(rows, expected, atol=1e-12)
    assert Preparation.model_validate_json(preparation.model_dump_json()) == preparation


def test_odd_cells_are_named_and_become_missing():
    chunk = chunk_of(n=["1", "x", "y"], c=["u", "v", "w"])
    preparation = Preparation(columns=(N, C))
    reading = preparation.read(chunk)
    assert reading.errors == {
        1: "column 'n': 'x' is not a number",
        2: "column 'n': 'y' is not a number",
    }
    np.testing.assert_array_equal(reading.features["n"], [1, np.nan, np.nan])
    with pytest.raises(
        EbmoodError, match=r"t: row 2, column 'n': 'x' is not a number; correct it, or remove"
    ):
        preparation.read_strictly(chunk)


def test_a_category_without_any_value_is_missing_in_all_rows():
    preparation = Preparation(columns=(C,))
    rows = preparation.encode(preparation.read_strictly(chunk_of(c=["", ""])), {0: ("u",)})
    assert np.isnan(rows).all()


def test_columns_are_checked_by_name():
    fields = NumberColumn(name="s.t.x"), LeftOut(name="u", reason="other, holds struct<x: int64>")
    nested = Preparation(columns=(N, fields[0]), left_out=fields[1:])
    nested.check_columns("t.csv", [N.name, "s.t.x", "s", "s.t", "u.x"])
    with pytest.raises(EbmoodError, match=r"column 's\.u' was not in the training data"):
        nested.check_columns("t.csv", [N.name, "s.t.x", "s.u"])
    preparation = Preparation(columns=(N, C), left_out=(LeftOut(name="label", reason="r"),))
    preparation.check_columns("t", ["c", "label", "n"])
    preparation.check_columns("t", ["c", "id", "n"], ["id"])
    with pytest.raises(EbmoodError, match=r"no column 'c'.*is it 'cc'"):
        preparation.check_columns("t", ["n", "cc"])
    with pytest.raises(
        EbmoodError, match=r"column 'id' was not in the training data.*X.drop\(columns=\['id'\]\)"
    ):
        preparation.check_columns("t", ["n", "c", "id"])


def test_columns_have_different_names():
    with pytest.raises(ValueError, match="different names"):
        Preparation(columns=(N, CategoryColumn(name="n")))


def test_a_constant_that_moves_is_noticed_in_any_spelling():
    left_out = LeftOut(name="y", reason="constant", constant="2013")
    assert left_out.changed(pyarrow.array([2013, 2014, None]), ()).to_pylist() == ["2014"]
    assert left_out.changed(pyarrow.array(["2013.0", "x", ""]), ()).to_pylist() == ["x"]
    assert LeftOut(name="y", reason="", constant="true").changed(pyarrow.array([1, 0]), ()).to_pylist() == [
        "0"
    ]
    comma = LeftOut(name="y", reason="", constant="3.5", spellings=("3,50",))
    assert comma.changed(pyarrow.array(["3,50", "3.5", "3,60"]), ()).to_pylist() == ["3,60"]
    empty = LeftOut(name="y", reason="empty", constant="")
    assert empty.changed(pyarrow.array([None, "a"]), ()).to_pylist() == ["a"]
