import gzip
import io
import subprocess
import sys
import warnings
from csv import QUOTE_ALL, writer

import numpy as np
import pyarrow
import pytest
from helpers.read_table import read_table
from hypothesis import HealthCheck, example, given, settings
from hypothesis.strategies import characters, integers, lists, text

from ebmood.core.errors import DataWarning, EbmoodError
from ebmood.detector.io import csv_stream, encoding
from ebmood.detector.io.open_input import open_table


def test_many_chunks_hold_all_rows(csv, monkeypatch):
    monkeypatch.setattr(csv_stream, "BLOCK_BYTES", 64)
    content = 'a,"b,\nc"\n' + "".join(f'{i},"x\n{i}"\n' for i in range(50)) + "\n51,y"
    a, b = read_table(csv(content))
    assert a == [str(i) for i in [*range(50), 51]]
    assert b == [f"x\n{i}" for i in range(50)] + ["y"]
    assert read_table(csv(content), "b,\nc", "a") == [b, a]
    chunks = list(open_table(csv(content)).chunks(["a"]))
    assert len(chunks) > 5
    first_rows = np.cumsum([0, *(chunk.rows.num_rows for chunk in chunks)])[:-1]
    assert [chunk.first_row for chunk in chunks] == list(first_rows)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=integers(2, 4).flatmap(
        lambda width: lists(
            lists(text(characters(codec="utf-8", exclude_characters="\x00")), min_size=width, max_size=width),
            min_size=2,
            max_size=8,
        )
    )
)
@example(table=[["", "", "|"], ["", "", "|"], ["", "", "|"]])
@example(table=[["", ";"], [";;", '"'], [";;", "a\n;"]])
@example(table=[["", ""], ["", ""], ["#", ""]])
def test_any_quoted_text_is_read_unchanged(csv, table):
    names = [f"c{i}{name}" for i, name in enumerate(table[0])]
    file = io.StringIO(newline="")
    writer(file, quoting=QUOTE_ALL).writerows([names, *table[1:]])
    path = csv(file.getvalue())
    assert open_table(path).names == tuple(names)
    assert read_table(path) == [list(column) for column in zip(*table[1:], strict=True)]


def test_byte_order_marks_carriage_returns_and_single_columns(csv):
    assert read_table(csv(b"\xef\xbb\xbfa,b\r\n1,2\r\n")) == [["1"], ["2"]]
    assert open_table(csv(b"\xef\xbb\xbfa,b\r\n1,2\r\n")).names == ("a", "b")
    assert read_table(csv("a\n1\n\n3\n")) == [["1", "", "3"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "t.csv: the file is empty"),
        ("\n", "t.csv: the file is empty"),
        ("a,b\n", "the table has no rows"),
        ("sep=§\na§b\n1§2\n", "`sep=§` names a delimiter that is not an ASCII character"),
        ("a,a\n1,2\n", "the column name 'a' occurs twice"),
        (
            'a,b\n1,"2\n3,4\n',
            r't.csv: a quote \("\) in line 2 is never closed.*write a quote inside a cell as ""',
        ),
        ('a,b\n1,"2\n3,4\n5,6\n7,"\n', "line 2 is closed only after lines that look like rows"),
        ("3,2,2\n2,4,1\n", "first line holds numbers.*add a first line with 3 names, such as x1,x2,x3"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9], "truncated or damaged"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-8] + bytes(8), "CRC"),
        (b"\n\n2,1\n", "first line holds numbers"),
        (
            "a,b\n1,2,3\n4,5,6\n",
            "line 1, has 2 names.* have 3 cells; add a name for the column that has none",
        ),
        ("pump;7\nnorth;8\na;b;c;d\n" + 20 * "1;2;3;4;5\n", "line 1, has 2 names.*delete the lines above"),
    ],
)
def test_malformed_csv_is_refused_in_one_line(csv, content, message):
    path = csv(content)
    with pytest.raises(EbmoodError, match=message) as error:
        read_table(path)
    assert "\n" not in str(error.value)


TABLE = "a;b;c\n1,5;x;\n2,25;y;z\n"


@pytest.mark.parametrize(
    "lead",
    [
        "\n\r\n",
        "# pump 7\n# exported, by: me\n",
        "#exported,2024\n",
        "sep=;\n",
        '\ufeff"sep=;"\n\n# pump\n',
        "\ufeff",
    ],
)
def test_comments_and_settings_before_the_header_are_skipped(csv, lead):
    table = open_table(csv(lead + TABLE))
    assert table.names == ("a", "b", "c")
    assert read_table(csv(lead + TABLE)) == [["1,5", "2,25"], ["x", "y"], ["", "z"]]


@pytest.mark.parametrize(
    "lead", ["Report, plant A\n", "Report;;\n;;\n", "Logger;5\nSerial;12345\n\n", "Sales of 2024\n# pump\n"]
)
def test_a_title_above_the_header_is_skipped_with_a_note(csv, lead):
    with pytest.warns(DataWarning, match=f"title .*; the header is line {lead.count(chr(10)) + 1}"):
        assert read_table(csv(lead + TABLE)) == [["1,5", "2,25"], ["x", "y"], ["", "z"]]


@pytest.mark.parametrize(
    "content",
    [
        ",site\nx,Oslo\ny,3\n",  # an index of pandas without a name
        "site,\nOslo,Nord\nBergen,3\n",
        "a,b\nx,y\nz,w\n",
        "#chrom\tstart\nx\t1\n",
        "#,name\n1,x\n",
    ],
)
@pytest.mark.filterwarnings("error")
def test_the_first_line_is_the_header_if_it_may_be_one(csv, content):
    names = content.splitlines()[0].replace("\t", ",").split(",")
    assert open_table(csv(content)).names == tuple(names)


def test_a_header_in_a_comment_is_read_if_rows_follow(csv, tmp_path):
    np.savetxt(tmp_path / "t.csv", [[1, 2], [3, 4]], delimiter=",", header="flow,power", fmt="%g")
    assert open_table(tmp_path / "t.csv").names == ("flow", "power")
    assert read_table(tmp_path / "t.csv") == [["1", "3"], ["2", "4"]]


def test_comments_among_rows_are_not_rows(csv):
    content = "a,b\n1,2\n# stop\n3,4\n# restarted, by Ann\n5\n6,7\n8\n# end, of the log, of today\n9,1\n#,\n"
    table = open_table(csv(content))
    for columns in (["a"], ["b"], ["b", "a"]):
        with pytest.warns(DataWarning, match="4 lines among the rows start with #; read as comments"):
            [chunk] = table.chunks(columns)
        for name, cells in {
            "a": ["1", "3", None, "6", None, "9"],
            "b": ["2", "4", None, "7", None, "1"],
        }.items():
            assert name not in columns or chunk.rows.column(name).to_pylist() == cells
        assert chunk.rows.num_columns == len(columns)
        assert set(chunk.errors) == {2, 4}


def test_comments_keep_the_row_numbers_of_later_chunks(csv, monkeypatch):
    monkeypatch.setattr(csv_stream, "BLOCK_BYTES", 64)
    lines = [
        "# x, y" if i % 7 == 3 else f"# {i}" if i % 7 == 4 else str(i) if i % 7 == 5 else f"{i},{i}"
        for i in range(200)
    ]
    table = open_table(csv("\n".join(["a,b", *lines])))
    with pytest.warns(DataWarning, match="lines among the rows start with #"):
        chunks = list(table.chunks(["b"]))
    assert len(chunks) > 5
    rows = [line for line in lines if not line.startswith("#")]
    assert [chunk.first_row for chunk in chunks] == [
        sum(c.rows.num_rows for c in chunks[:i]) for i in range(len(chunks))
    ]
    cells = [cell for chunk in chunks for cell in chunk.rows.column("b").to_pylist()]
    assert cells == [row.partition(",")[2] or None for row in rows]
    bad = [chunk.first_row + row for chunk in chunks for row in chunk.errors]
    assert bad == [number for number, row in enumerate(rows) if "," not in row]


def test_comments_of_a_table_with_one_column_are_not_rows(csv):
    with pytest.warns(DataWarning, match="one line among the rows starts with #"):
        assert read_table(csv("a\n1\n# stopped\n3\n")) == [["1", "3"]]


@pytest.mark.parametrize("cell", ["#12", "#N/A", "#REF!", "#fff"])
def test_a_value_that_starts_with_the_sign_of_comments_is_a_value(csv, cell):
    assert read_table(csv(f"a,b\n1,2\n3,4\n# stop\n{cell},5\n6,7\n"))[0] == ["1", "3", None, cell, "6"]
    assert read_table(csv("a,b\n" + "1,2\n" * 3000 + f"{cell},5\n"))[0][-1] == cell


def test_a_malformed_row_is_no_comment_where_values_start_with_the_same_sign(csv):
    [chunk] = open_table(csv("tag,likes\n#cat,1\n#dog\n#cat,3\n")).chunks(["tag"])
    assert chunk.rows.column("tag").to_pylist() == ["#cat", None, "#cat"]
    assert set(chunk.errors) == {1}


@pytest.mark.parametrize("header", ["a;b;;", "a;b;"])
def test_a_column_without_name_and_values_is_left_out_with_a_note(csv, header):
    end = ";" * (header.count(";") - 1)
    rows = [f"{i};x{end}" for i in range(100)]
    with pytest.warns(DataWarning, match="has neither a name|have neither names"):
        assert read_table(csv("\n".join([header, *rows]))) == [list(map(str, range(100))), ["x"] * 100]
    rows[70] += "y"
    with pytest.warns(DataWarning, match="has neither a name|have neither names"):
        table = open_table(csv("\n".join([header, *rows])))
    [chunk] = table.chunks(["a"])
    assert chunk.errors == {70: f"has the value 'y' in column {len(end) + 2}, which has no name"}


def test_a_delimiter_at_the_end_of_each_row_is_no_column(csv):
    with pytest.warns(DataWarning, match="has neither a name|have neither names"):
        table = open_table(csv("a;b\n" + "1;2;\n" * 90 + "5;6;7\n8;9\n"))
    chunks = list(table.chunks(table.names))
    assert table.names == ("a", "b")
    assert sum(chunk.rows.num_rows for chunk in chunks) == 92
    assert {chunk.first_row + row for chunk in chunks for row in chunk.errors} == {90, 91}


def test_a_row_that_repeats_the_header_is_a_bad_row(csv):
    table = open_table(csv("a;b\n1;2\na;b\na;4\n a ; b\n"))
    [chunk] = table.chunks(["b", "a"])
    assert chunk.errors == {1: "repeats the header", 3: "repeats the header"}
    assert chunk.rows.to_pydict() == {"b": ["2", None, "4", None], "a": ["1", None, "a", None]}
    [chunk] = open_table(csv("a\n1\na\n")).chunks(["a"])
    assert not chunk.errors


def test_negative_numbers_of_accounting_in_the_first_row_are_no_units(csv):
    assert read_table(csv("cost;gain\n(12.50);(3)\n7;8\n")) == [["(12.50)", "7"], ["(3)", "8"]]


@pytest.mark.parametrize("below", ["[s];[°C];(%)", "[s];[°C];-", "[s]; - ;[%]", "---+---+---", "---;---;---"])
def test_units_and_drawn_lines_below_the_header_are_no_row(csv, below):
    with pytest.warns(DataWarning, match="line 3 belongs to the header and is not read"):
        table = open_table(csv(f"# pump\na;b;c\n{below}\n1;2;3\n4;5;6\n7;8;9\n"))
    [chunk] = table.chunks(table.names)
    assert chunk.rows.to_pydict() == {"a": ["1", "4", "7"], "b": ["2", "5", "8"], "c": ["3", "6", "9"]}


@pytest.mark.parametrize("header", ["time  flow", '"flow" "site"'])
def test_cells_separated_by_spaces_are_refused(csv, header):
    with pytest.raises(
        EbmoodError, match="the cells seem to be separated by spaces; write the table with commas"
    ):
        open_table(csv(header + "\n" + "".join(f"{i}   {i / 2}\n" for i in range(9))))
    assert open_table(csv("a note\nno 7\nall well\n")).names == ("a note",)


def test_a_line_of_a_quote_is_counted_from_the_start_of_the_file(csv):
    with pytest.raises(EbmoodError, match="in line 4 is never closed"):
        read_table(csv('# pump\n\na,b\n1,"2\n3,4\n'))


def test_rows_with_a_wrong_number_of_cells_keep_their_places(csv, monkeypatch):
    monkeypatch.setattr(csv_stream, "BLOCK_BYTES", 64)
    wrong = {0, 7, 8, 31, 59}
    lines = [("1" if i % 2 else "1,2,3") if i in wrong else f"{i},x" for i in range(60)]
    chunks = list(open_table(csv("a,b\n" + "\n".join(lines) + "\n")).chunks(["b", "a"]))
    cells = [cell for chunk in chunks for cell in chunk.rows.column("a").to_pylist()]
    assert cells == [None if i in wrong else str(i) for i in range(60)]
    errors = {chunk.first_row + row: text for chunk in chunks for row, text in chunk.errors.items()}
    assert set(errors) == wrong
    assert errors[7] == "has 1 cell, the header 2; it starts '1'"
    assert errors[8] == "has 3 cells, the header 2; it starts '1,2,3'"


def test_a_table_of_malformed_rows_only_keeps_their_number(csv):
    [chunk] = open_table(csv("a,b\n1\n2\n")).chunks(["a"])
    assert chunk.rows.num_rows == 2
    assert set(chunk.errors) == {0, 1}


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_and_line_breaks(csv, delimiter, line_break):
    rows = [["a", "b", "c"], ["1,5", "x", ""], ["2,25", "y", "z"]]
    rows = rows if delimiter != "," else [[cell.replace(",", ".") for cell in row] for row in rows]
    table = open_table(csv(line_break.join(delimiter.join(row) for row in rows) + line_break))
    assert table.names == ("a", "b", "c")
    [chunk] = table.chunks(table.names)
    assert [list(row.values()) for row in chunk.rows.to_pylist()] == rows[1:]


CONTENT = "site,flow\nKöln,1\nMünster,2\n" + "Fürth,3\n" * 20_000


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(CONTENT.encode()),
        gzip.compress(CONTENT.encode()[:100]) + gzip.compress(CONTENT.encode()[100:]),
        pyarrow.Codec("zstd").compress(CONTENT.encode(), asbytes=True),
        CONTENT.encode("utf-16"),
        gzip.compress(CONTENT.encode("utf-16")),
    ],
    ids=["gzip", "gzip of two parts", "zstd", "utf-16", "utf-16 gzip"],
)
def test_compressed_files_and_encodings(csv, content):
    assert read_table(csv(content)) == read_table(csv(CONTENT))


@pytest.mark.parametrize("name", ["latin-1", "cp1252"])
def test_latin_1_is_read_with_a_warning(csv, name):
    expected = read_table(csv(CONTENT))
    with pytest.warns(DataWarning, match=r"t.csv: is not UTF-8, so it is read as Windows-1252 \(Latin-1\)"):
        assert read_table(csv(CONTENT.encode(name))) == expected


@pytest.mark.parametrize("name", ["utf-8", "cp1252"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_the_encoding_may_show_late_in_the_file(csv, name, compress):
    content = "site,flow\n" + "x,1\n" * 50_000 + "Köln,1\nFürth,2\n" * 40_000
    table = open_table(csv(compress(content.encode(name))))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        chunks = list(table.chunks(table.names))
    notes = [str(note.message) for note in caught]
    expected = "is not UTF-8, so it is read as Windows-1252 (Latin-1); if text looks wrong, save it as UTF-8"
    assert [note.split("t.csv: ")[1] for note in notes] == [expected] * (name == "cp1252")
    sites = [site for chunk in chunks for site in chunk.rows.column("site").to_pylist()]
    assert sites == ["x"] * 50_000 + ["Köln", "Fürth"] * 40_000
    assert not any(chunk.errors for chunk in chunks)


@pytest.mark.parametrize("lead", [0, 50_000])
def test_a_row_in_another_encoding_is_a_bad_row(csv, lead):
    lines = ["site,flow", *["x,1"] * lead, *["Köln,1", "Fürth,2"] * 200]
    parts = [line.encode() for line in lines]
    parts[lead + 7] = "Münster,5".encode("cp1252")
    content = b"\n".join(parts) + b"\n"
    table = open_table(csv(content))
    chunks = list(table.chunks(table.names))
    rows = [row for chunk in chunks for row in chunk.rows.to_pylist()]
    errors = {chunk.first_row + row: problem for chunk in chunks for row, problem in chunk.errors.items()}
    problem = "has the value 'Münster' in column 'site', which is not UTF-8 as the other text"
    assert errors == {lead + 6: problem}
    assert rows[lead + 6] == {"site": None, "flow": None}
    assert rows[lead + 7] == {"site": "Fürth", "flow": "2"}
    # The row is good for a reader of the other column.
    assert not any(chunk.errors for chunk in open_table(csv(content)).chunks(["flow"]))


def test_a_first_line_in_another_encoding_far_before_the_others_is_refused(csv, monkeypatch):
    monkeypatch.setattr(encoding, "LOOK_AHEAD", 2**10)
    content = b"site,flow\nx,1\nK\xf6ln,1\n" + b"x,1\n" * 50_000 + "Fürth,1\n".encode() * 100
    table = open_table_silently(csv(content))
    with pytest.raises(
        EbmoodError, match=r"t.csv: line 3 is not UTF-8, but most of the other text is; correct"
    ):
        list(table.chunks(table.names))


def open_table_silently(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return open_table(path)


@pytest.mark.parametrize("header", ["0,1,2", "1,2,3", "400.5,401,402.5"])
def test_ascending_numbers_are_names(csv, header):
    assert open_table(csv(header + "\n5,6,7\n")).names == tuple(header.split(","))


def test_quotes_inside_cells_do_not_open_cells(csv):
    rows = "".join(f'{i},5" pipe\n' for i in range(5))
    assert read_table(csv("a,b\n" + rows)) == [list("01234"), ['5" pipe'] * 5]
    text = 'a,b\n1,"first, line\nsecond line\nthird line"\n'
    assert read_table(csv(text)) == [["1"], ["first, line\nsecond line\nthird line"]]


def test_a_quote_that_is_never_closed_does_not_fill_the_memory(csv, monkeypatch):
    monkeypatch.setattr(csv_stream, "BLOCK_BYTES", 1000)
    with pytest.raises(EbmoodError, match="a quote that is never closed"):
        read_table(csv('a,b\n1,"2\n' + "1,2\n" * 1000))


def test_standard_input_is_read(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a,b\n1,2\n")))
    assert read_table("-") == [["1"], ["2"]]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_table(tmp_path):
    code = """
import resource, sys
from ebmood.detector.cells.cell_values import read_numbers
from ebmood.detector.io.open_input import open_table
table = open_table(sys.argv[1])
total, early = 0.0, None
for chunk in table.chunks(table.names):
    for name in table.names:
        total += read_numbers(chunk.rows.column(name)).values.sum()
    now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    early = early or (now if table.fraction > 0.2 else None)
print(now - early, total)
"""
    path = tmp_path / "t.csv"
    line = ",".join(["0.5123456789"] * 20) + "\n"
    with open(path, "w") as file:  # 78 MB
        file.write(",".join(f"c{i}" for i in range(20)) + "\n")
        for _ in range(3):
            file.write(line * 100_000)
    process = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    growth, total = process.stdout.split()
    assert float(total) == pytest.approx(0.5123456789 * 20 * 300_000)
    assert int(growth) < 25  # MB
