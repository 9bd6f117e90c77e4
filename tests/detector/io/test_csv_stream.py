import io
import subprocess
import sys
from csv import QUOTE_ALL, writer

import numpy as np
import pytest
from helpers.read_table import read_table
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import characters, integers, lists, text

from ebmood.core.errors import EbmoodError
from ebmood.detector.io import csv_stream
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
def test_any_quoted_text_is_read_unchanged(csv, table):
    names = [f"{i}{name}" for i, name in enumerate(table[0])]
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
        ("\n", "the first line is empty"),
        ("a,b\n", "the table has no rows"),
        ("a,a\n1,2\n", "the column name 'a' occurs twice"),
        ("a,b\n1,2\n3\n", "t.csv: row 2 has 1 cells, the header 2"),
        ("a,b\n1,2\n3,4,5\n", "row 2 has 3 cells"),
        ("a;b\n1;2\n", "separate columns by commas"),
        (b"a,b\n1,\xff\n", "[Rr]ow #1.*UTF8"),
        (b"\xff,b\n1,2\n", "header is not CSV in UTF-8.*save the file as UTF-8"),
        (b"\n\n1,2\n", "the first line is empty; it must be a header"),
    ],
)
def test_malformed_csv_is_refused_in_one_line(csv, content, message):
    path = csv(content)
    with pytest.raises(EbmoodError, match=message) as error:
        read_table(path)
    assert "\n" not in str(error.value)


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
from ebmood.detector.io.cell_values import read_numbers
from ebmood.detector.io.open_input import open_table
table = open_table(sys.argv[1])
total, early = 0.0, None
for chunk in table.chunks(table.names):
    for name in table.names:
        total += read_numbers(chunk, name).sum()
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
