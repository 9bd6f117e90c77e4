import io
import os
import re
import subprocess
import sys
from csv import QUOTE_ALL, writer

import numpy as np
import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import characters, floats, integers, lists, one_of, text
from pyarrow import parquet

from ebmood.core.errors import EbmoodError
from ebmood.detector.io import table_stream as streaming
from ebmood.detector.io.cell_values import MISSING_WORDS, categories, numbers
from ebmood.detector.io.open_input import open_table
from ebmood.detector.io.score_writer import open_scores
from ebmood.detector.preparation import Preparation, fit_preparation, named, read_columns
from ebmood.detector.table_detector import Scored


@pytest.fixture
def csv(tmp_path):
    def write(text: str | bytes, name: str = "t.csv"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / name

    return write


def read(path, *columns) -> list[list]:
    table = open_table(path)
    pieces = list(table.pieces(columns or table.names))
    whole = pyarrow.Table.from_batches([piece.rows for piece in pieces])
    return [column.to_pylist() for column in whole.columns]


def number(cells: list, kind=None) -> np.ndarray:
    batch = pyarrow.RecordBatch.from_arrays([pyarrow.array(cells, kind)], names=["a"])
    return numbers(streaming.Piece("t", 0, batch), "a")


def test_a_csv_in_many_pieces_is_the_csv(csv, monkeypatch):
    monkeypatch.setattr(streaming, "BLOCK", 64)
    text = 'a,"b,\nc"\n' + "".join(f'{i},"x\n{i}"\n' for i in range(50)) + "\n51,y"
    a, b = read(csv(text))
    assert a == [str(i) for i in [*range(50), 51]]
    assert b == [f"x\n{i}" for i in range(50)] + ["y"]
    assert read(csv(text), "b,\nc", "a") == [b, a]
    pieces = list(open_table(csv(text)).pieces(["a"]))
    assert len(pieces) > 5
    assert [p.before for p in pieces] == list(np.cumsum([0, *(p.rows.num_rows for p in pieces)])[:-1])


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
def test_any_text_in_quotes_comes_back(csv, table):
    names = [f"{i}{name}" for i, name in enumerate(table[0])]
    file = io.StringIO(newline="")
    writer(file, quoting=QUOTE_ALL).writerows([names, *table[1:]])
    stream = open_table(path := csv(file.getvalue()))
    assert stream.names == tuple(names)
    assert read(path) == [list(column) for column in zip(*table[1:], strict=True)]


@settings(max_examples=150, deadline=None)
@given(lists(one_of(text(max_size=6), integers().map(str), floats().map(str)), min_size=1, max_size=5))
def test_any_text_is_a_number_or_missing_or_named(cells):
    complaint = ""
    values = np.zeros(0)
    try:
        values = number(cells)
    except EbmoodError as error:
        complaint = str(error)
    assert bool(len(values)) != bool(re.match("t: row [1-5], column 'a': ", complaint))
    for cell, value in zip(cells, values.tolist(), strict=False):
        assert not np.isinf(value)
        assert np.isnan(value) == (cell.strip().lower() in MISSING_WORDS)
        assert np.isnan(value) or value == float(cell)


def test_marks_carriage_returns_and_lone_columns(csv):
    assert read(csv(b"\xef\xbb\xbfa,b\r\n1,2\r\n")) == [["1"], ["2"]]
    assert open_table(csv(b"\xef\xbb\xbfa,b\r\n1,2\r\n")).names == ("a", "b")
    assert read(csv("a\n1\n\n3\n")) == [["1", "", "3"]]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "t.csv: the file is empty"),
        ("\n", "its first line is empty"),
        ("a,b\n", "the table has no rows"),
        ("a,a\n1,2\n", "the column name 'a' stands twice"),
        ("a,b\n1,2\n3\n", "t.csv: row 2 has 1 cells, the header 2"),
        ("a,b\n1,2\n3,4,5\n", "row 2 has 3 cells"),
        ("a;b\n1;2\n", "separate columns by commas"),
        (b"a,b\n1,\xff\n", "[Rr]ow #1.*UTF8"),
        (b"\xff,b\n1,2\n", "header is no CSV in UTF-8.*save it as UTF-8"),
        (b"\n\n1,2\n", "its first line is empty; it needs a header"),
    ],
)
def test_bad_csv_is_named(csv, text, complaint):
    path = csv(text)
    with pytest.raises(EbmoodError, match=complaint) as error:
        read(path)
    assert "\n" not in str(error.value)


def test_a_quote_that_never_closes_does_not_fill_the_memory(csv, monkeypatch):
    monkeypatch.setattr(streaming, "BLOCK", 1000)
    with pytest.raises(EbmoodError, match="a quote that is never closed"):
        read(csv('a,b\n1,"2\n' + "1,2\n" * 1000))


def test_a_folder_of_parquet_is_its_files_in_order(tmp_path):
    for name, rows in {"b": [3, 4], "a": [1, 2], "sub/c": [5], "_temporary/d": [9], "empty": []}.items():
        path = tmp_path / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        values = pyarrow.array(rows, pyarrow.int64())
        parquet.write_table(pyarrow.table({"x": values, "__index_level_0__": values}), path)
    table = open_table(tmp_path)
    assert table.names == ("x",)
    pieces = list(table.pieces(["x"]))
    assert [p.rows.column(0).to_pylist() for p in pieces] == [[1, 2], [3, 4], [5]]
    assert pieces[1].place(1, "x") == f"{tmp_path / 'b.parquet'}: row 2, column 'x'"
    assert table.share == 1
    parquet.write_table(pyarrow.table({"y": [1]}), tmp_path / "z.parquet")
    with pytest.raises(EbmoodError, match=r"column 'x' is in one of a.parquet and z.parquet alone"):
        list(open_table(tmp_path).pieces(["x"]))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_that_vanishes_or_grows_midway_is_not_taken_for_whole(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(streaming, "BLOCK", 64)
    path = tmp_path / f"t.{suffix}"
    for spoil, complaint in ((path.unlink, "vanished"), (lambda: os.utime(path, (1, 1)), "changed")):
        table = pyarrow.table({"a": list(range(10000))})
        parquet.write_table(table, path) if suffix == "parquet" else table.to_pandas().to_csv(
            path, index=False
        )
        pieces = open_table(path).pieces(["a"])
        next(pieces)
        spoil()
        with pytest.raises(EbmoodError, match=f"{complaint} while it was read"):
            list(pieces)


def test_truncated_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "t.parquet"
    parquet.write_table(pyarrow.table({"a": list(range(1000))}), path)
    whole = path.read_bytes()
    for content, complaint in (
        (whole[:-100], "not a Parquet file"),
        (b"", "empty"),
        (b"PAR1", "not a Parquet"),
    ):
        path.write_bytes(content)
        with pytest.raises(EbmoodError, match=complaint):
            open_table(path)
    for name, complaint in (("t.xls", "no such file"), ("t.csv", "no such file"), (".", "without .parquet")):
        folder = tmp_path / "folder"
        folder.mkdir(exist_ok=True)
        with pytest.raises(EbmoodError, match=complaint):
            open_table(folder / name)


def test_numbers_are_read_as_they_are_written():
    assert number([" 1", "-2.5e3", "1e300"]).tolist() == [1, -2500, 1e300]
    np.testing.assert_array_equal(number(["1", "", "NA", "nan", "Null", None]), [1] + [np.nan] * 5)
    np.testing.assert_array_equal(number([True, False, None]), [1, 0, np.nan])
    np.testing.assert_array_equal(number([None, None]), [np.nan, np.nan])
    assert number([2**53, -(2**53)]).tolist() == [2.0**53, -(2.0**53)]
    assert number([str(2**53), "9007199254740993.0"]).tolist() == [2.0**53, 2.0**53]


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        (["1", "two"], "t: row 2, column 'a': 'two' is text.*fit with --one-hot a .*--drop a"),
        (["1", "inf"], "row 2, column 'a': .*infinite.*--drop a"),
        (["1", "1e999"], "row 2, column 'a': .*infinite"),
        ([1.0, float("-inf")], "row 2, column 'a': .*infinite"),
        (
            ["1", str(2**53 + 1)],
            "row 2, column 'a': the whole number 9007199254740993 is past 2\\^53.*--drop a",
        ),
        ([1, -(2**53) - 1], "row 2, column 'a': the whole number -9007199254740993 is past"),
        ([[1], [2]], "column 'a' holds list.*--drop a"),
    ],
)
def test_cells_that_are_no_numbers_are_named(cells, complaint):
    with pytest.raises(EbmoodError, match=complaint):
        number(cells)


def test_columns_of_parquet_keep_their_names_and_narrow_types(tmp_path):
    path = tmp_path / "t.parquet"
    half = pyarrow.array(np.array([0.5, 2], dtype=np.float16))
    parquet.write_table(pyarrow.table({"a.b": half, "a": pyarrow.array([1, 2]).dictionary_encode()}), path)
    (piece,) = open_table(path).pieces(["a.b", "a"])
    assert numbers(piece, "a.b").tolist() == [0.5, 2]
    assert numbers(piece, "a").tolist() == [1, 2]


def test_one_category_has_one_name_in_every_format():
    def names(cells, kind=None):
        batch = pyarrow.RecordBatch.from_arrays([pyarrow.array(cells, kind)], names=["a"])
        return categories(streaming.Piece("t", 0, batch), "a").to_pylist()

    assert (
        names(["1", " 2.0", ""]) == names([1, 2, None]) == names([1.0, 2.0, float("nan")]) == ["1", "2", ""]
    )
    assert names([True, None]) == names(["true", ""])
    assert names(["007", "NA"]) == ["007", "NA"]


def test_medians_and_categories_come_from_the_rows_that_are_fitted_on(csv):
    path = csv("n,c\n1,u\n3,v\n,u\n100,w\n")
    (piece,) = open_table(path).pieces(["n", "c"])
    raw = read_columns(piece, ["n", "c"], ["c"], ["n"])
    preparation = fit_preparation(raw, np.array([0, 1, 2]), ["n"], ["id"])
    assert preparation == Preparation(
        columns=("n", "c"), categories={"c": ("u", "v")}, fills={"n": 2.0}, ignored=("id",)
    )
    assert preparation.features == ("n", "c=u", "c=v")
    assert preparation.apply(raw).tolist() == [[1, 1, 0], [3, 0, 1], [2, 1, 0], [100, 0, 0]]
    assert Preparation.model_validate_json(preparation.model_dump_json()) == preparation


def test_a_missing_number_names_the_option_that_helps(csv):
    (piece,) = open_table(csv("my n\n1\n\n")).pieces(["my n"])
    with pytest.raises(EbmoodError, match=r"row 2, column 'my n': no number there.*--impute 'my n'"):
        read_columns(piece, ["my n"], [], [])


def test_columns_are_matched_by_name():
    preparation = Preparation(columns=("a", "b"), ignored=("label",))
    preparation.check_columns("t", ["b", "label", "a"])
    preparation.check_columns("t", ["b", "id", "a"], ["id"])
    with pytest.raises(EbmoodError, match=r"no column 'b'.*is it 'bb'"):
        preparation.check_columns("t", ["a", "bb"])
    with pytest.raises(EbmoodError, match=r"column 'id' was not there at the fit.*--drop id"):
        preparation.check_columns("t", ["a", "b", "id"])
    assert named(["i*", "a"], ["a", "id", "i*"], "t", "--drop") == ["a", "i*"]
    with pytest.raises(EbmoodError, match="--drop bat: no such column; the nearest are 'bath'"):
        named(["bat"], ["bath", "x"], "t", "--drop")


def test_a_long_table_takes_no_more_memory_than_its_beginning(tmp_path):
    code = """
import resource, sys
from ebmood.detector.io.cell_values import numbers
from ebmood.detector.io.open_input import open_table
table = open_table(sys.argv[1])
total, early = 0.0, None
for piece in table.pieces(table.names):
    for name in table.names:
        total += numbers(piece, name).sum()
    now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    early = early or (now if table.share > 0.2 else None)
print(now - early, total)
"""
    path = tmp_path / "t.csv"
    line = ",".join(["0.5123456789"] * 20) + "\n"
    with open(path, "w") as file:  # 78 MB
        file.write(",".join(f"c{i}" for i in range(20)) + "\n")
        for _ in range(3):
            file.write(line * 100_000)
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    growth, total = done.stdout.split()
    assert float(total) == pytest.approx(0.5123456789 * 20 * 300_000)
    assert int(growth) < 25  # MB


def test_scores_in_parquet_need_kept_columns_of_one_type(tmp_path):
    def scored(**kept) -> Scored:
        ones = np.ones(1)
        return Scored(pyarrow.RecordBatch.from_pydict(kept), ones, ones, ones > 0)

    def write_all(name: str, *pieces: Scored) -> None:
        with open_scores(tmp_path / name) as write:
            for piece in pieces:
                write(piece)

    with pytest.raises(EbmoodError, match="--keep id: the column changes its type"):
        write_all("s.parquet", scored(id=[1]), scored(id=["1"]))
    with pytest.raises(EbmoodError, match=r"--keep score: .*is called so"):
        write_all("s.csv", scored(score=[1]))
    assert list(tmp_path.iterdir()) == []


def test_standard_input_is_a_table(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a,b\n1,2\n")))
    assert read("-") == [["1"], ["2"]]


def test_memory_holds_one_row_group_of_a_parquet_file_and_not_all_of_it(tmp_path):
    path = tmp_path / "t.parquet"
    rows = np.random.default_rng(0).normal(size=20_000)  # 160 kB, which nothing compresses
    with parquet.ParquetWriter(path, pyarrow.schema([("a", pyarrow.float64())])) as writer:
        for _ in range(50):
            writer.write_table(pyarrow.table({"a": rows}))
    before, most, read = pyarrow.total_allocated_bytes(), 0, 0
    for piece in open_table(path).pieces(["a"]):
        read += piece.rows.num_rows
        most = max(most, pyarrow.total_allocated_bytes() - before)
    assert read == 50 * len(rows)
    assert most < 10 * rows.nbytes  # of 50


def test_nor_does_memory_hold_the_whole_of_one_row_group(tmp_path):
    path = tmp_path / "t.parquet"
    rows = np.random.default_rng(0).normal(size=1_500_000)  # 12 MB
    parquet.write_table(pyarrow.table({"a": rows}), path, row_group_size=len(rows))
    before, most, first = pyarrow.total_allocated_bytes(), 0, 0
    for piece in open_table(path).pieces(["a"]):
        most = max(most, pyarrow.total_allocated_bytes() - before)
        assert (piece.rows["a"].to_numpy() == rows[first : first + piece.rows.num_rows]).all()
        first += piece.rows.num_rows
    assert first == len(rows)
    assert most < rows.nbytes / 3
