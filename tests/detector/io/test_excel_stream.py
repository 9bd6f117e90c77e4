import datetime as dt
import sys

import pytest
from helpers.read_table import read_table

from ebmood.core.errors import DataWarning, EbmoodError
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


def test_a_title_above_the_header_and_an_empty_column_are_left_out_with_notes(sheet):
    rows = [
        ["Report of 2024"],
        [],
        ["By", "me"],
        [None, None],
        ["a", None, "b"],
        *([i, None, i / 2] for i in range(9)),
    ]
    with pytest.warns(DataWarning) as caught:
        table = open_table(sheet(*rows))
    notes = [str(note.message) for note in caught]
    assert "title ('Report of 2024'), which is not read; the header is line 5" in notes[0]
    assert "one column has neither a name nor values" in notes[1]
    [chunk] = table.chunks(["b", "a"])
    assert chunk.rows.to_pydict() == {
        "b": [str(i / 2).removesuffix(".0") for i in range(9)],
        "a": [str(i) for i in range(9)],
    }
    with pytest.warns(DataWarning):
        table = open_table(sheet(*rows, *[[0, None, 0]] * 70, [1, "x", 2]))
    [chunk] = table.chunks(["a"])
    assert chunk.errors == {79: "has the value 'x' in column 2, which has no name"}


def test_units_below_the_header_are_no_row(sheet):
    rows = [["flow", "site", "temp"], ["[m3/h]", None, "[°C]"], *([i, "Oslo", i / 2] for i in range(3))]
    with pytest.warns(DataWarning, match=r"line 2 belongs to the header and is not read \('\[m3/h\]', ...\)"):
        table = open_table(sheet(*rows))
    [chunk] = table.chunks(["flow"])
    assert chunk.rows.column("flow").to_pylist() == ["0", "1", "2"]
    with pytest.warns(DataWarning) as caught:
        table = open_table(sheet(["Plant 7", None, None], [], *rows))
    assert "line 4 belongs to the header" in str(caught[1].message)
    [chunk] = table.chunks(["temp"])
    assert chunk.rows.column("temp").to_pylist() == ["0", "0.5", "1"]


def test_other_sheets_and_formulas_without_values_give_notes(tmp_path):
    book = openpyxl.Workbook()
    for row in (["a", "b"], [1, "=A2+1"], [2, "=A3+1"]):
        book.active.append(row)
    book.create_sheet("More").append([1])
    book.save(tmp_path / "t.xlsx")
    with pytest.warns(DataWarning) as caught:
        assert read_table(tmp_path / "t.xlsx") == [["1", "2"], [None, None]]
    notes = [str(note.message) for note in caught]
    assert "the first of 2 sheets is read, 'Sheet'" in notes[0]
    assert (
        "2 formulas without values are read as missing, the first in cell B2 (column 'b'); open" in notes[1]
    )


def test_single_formulas_without_values_are_counted(sheet):
    rows = [[i, f"=A{i}*2" if i % 10 == 7 and i > 100 else i / 2, "x"] for i in range(300)]
    path = sheet(["Report"], ["a", "b", "c"], *rows, ["=A1", 1, "y"])
    with pytest.warns(DataWarning) as caught:
        open_table(path)
    message = (
        "21 formulas without values are read as missing, the first in cell B110 (column 'b'); open the file"
    )
    assert message in str(caught[1].message)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "the first sheet is empty"),
        ([["a", None, "b"], [1, 2, 3]], "column 2 has no name"),
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
