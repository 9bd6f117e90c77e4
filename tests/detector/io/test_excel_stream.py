import datetime as dt
import sys

import pytest
from helpers.read_table import read_table

from ebmood.core.errors import EbmoodError
from ebmood.detector.io import excel_stream
from ebmood.detector.io.open_input import open_table

openpyxl = pytest.importorskip("openpyxl")


@pytest.fixture
def sheet(tmp_path):
    def write(*rows: list):
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(tmp_path / "t.xlsx")
        return tmp_path / "t.xlsx"

    return write


def test_cells_become_text_and_empty_rows_keep_their_places(sheet, monkeypatch):
    monkeypatch.setattr(excel_stream, "CHUNK_ROWS", 2)
    path = sheet(
        ["a", "b"], [1, "x"], [None, None], [2.5, True], [dt.datetime(2024, 1, 31, 12), None], [None, None]
    )
    assert open_table(path).names == ("a", "b")
    assert read_table(path) == [["1", None, "2.5", "2024-01-31T12:00:00"], ["x", None, "true", None]]


def test_a_row_with_too_many_cells_is_marked(sheet):
    [chunk] = open_table(sheet(["a"], [1], [2, 3])).chunks(["a"])
    assert chunk.errors == {1: "has 2 cells, the header 1"}
    assert chunk.rows.column("a").to_pylist() == ["1", None]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["a", None, "b"]], "must be a header without empty cells"),
        ([["a", "a"], [1, 2]], "'a' occurs twice"),
        ([["a", "b"]], "the table has no rows"),
    ],
)
def test_malformed_sheets_are_refused(sheet, rows, message):
    with pytest.raises(EbmoodError, match=message):
        read_table(sheet(*rows))


def test_what_is_no_workbook_and_an_absent_extra_are_one_line(tmp_path, sheet, monkeypatch):
    (tmp_path / "x.xlsx").write_text("a,b")
    with pytest.raises(EbmoodError, match="not a readable"):
        open_table(tmp_path / "x.xlsx")
    path = sheet(["a"], [1])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(EbmoodError, match=r"pip install 'ebmood\[excel\]'"):
        open_table(path)
