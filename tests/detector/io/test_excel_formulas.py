import io

import pytest

from ebmood.detector.io.excel_formulas import bare_formulas, column_letters, column_number, has_formulas

SHEET = """<?xml version="1.0"?>
<x:worksheet xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><x:sheetData>
<x:row r="2"><x:c r="A2"><x:v>1</x:v></x:c><x:c r="C2"><x:f>A2*2</x:f><x:v>2</x:v></x:c></x:row>
<x:row r="5"><x:c r="B5"><x:f>A2</x:f><x:v></x:v></x:c><x:c r="AB5"><x:f t="shared" si="0"/></x:c></x:row>
<x:row><x:c/><x:c><x:f>A2</x:f><x:v/></x:c><x:c t="str"><x:f>IF(A2,"","x")</x:f><x:v></x:v></x:c></x:row>
</x:sheetData></x:worksheet>"""


@pytest.mark.parametrize("prefix", ["x:", ""])
def test_formulas_without_stored_values_are_found(prefix):
    text = SHEET if prefix else SHEET.replace("xmlns:x=", "xmlns=").replace("x:", "")
    assert has_formulas(io.BytesIO(text.encode()))
    assert list(bare_formulas(io.BytesIO(text.encode()))) == [(5, 2), (5, 28), (6, 2)]


def test_a_sheet_with_values_has_no_formulas():
    rows = "".join(f'<row r="{i}"><c r="A{i}"><v>{i}</v></c><foo/></row>' for i in range(1, 50))
    sheet = f"<worksheet><sheetFormatPr/><sheetData>{rows}</sheetData></worksheet>".encode()
    assert not has_formulas(io.BytesIO(sheet))
    assert list(bare_formulas(io.BytesIO(sheet))) == []


def test_a_formula_at_the_border_of_two_blocks_is_found(monkeypatch):
    for size in range(1, 9):
        monkeypatch.setattr("ebmood.detector.io.excel_formulas.BLOCK_BYTES", size)
        assert has_formulas(io.BytesIO(b"<row><c><f>A1</f></c></row>"))


def test_letters_of_columns_count_from_1():
    assert all(column_number(column_letters(number)) == number for number in range(1, 20_000))
