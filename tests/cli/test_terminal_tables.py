import dataclasses
import io

import pytest
from rich.console import Console

from ebmood.cli.terminal_tables import panels, print_compact_table, print_table
from ebmood.results.comparisons import Change
from ebmood.results.tables.table import Column, Table

NUMBERS = Table(
    "t",
    "A title",
    (
        Column("name", "name"),
        Column("a", "a", "number"),
        Column("b", "b", "number"),
        Column("c", "c", "number"),
    ),
    (("x", 1.0, 2.0, "failed: no memory"), ("y", 4.0, 5.0, 6.0)),
    ("A note.",),
)
CLAIM = "Supervision lowers some results on non-natural sets"
CLAIMS = Table(
    "claims",
    "Claims",
    (
        Column("claim", "claim"),
        Column("verdict", "verdict"),
        Column("change", "change %", "change"),
        Column("marks", "marks"),
    ),
    ((CLAIM, "undecided", Change(percent=5.0, low=-1.0, high=11.0), "unstable"),),
)


def printed(printer, table, width):
    console = Console(width=width, record=True, file=io.StringIO())
    printer(console, table)
    return console.export_text()


def test_a_wide_table_is_continued_with_its_first_columns():
    assert list(panels(NUMBERS, [4, 5, 5, 17], 100)) == [[0, 1, 2, 3]]
    assert list(panels(NUMBERS, [4, 5, 5, 17], 20)) == [[0, 1, 2], [0, 3]]
    assert list(panels(NUMBERS, [4, 5, 5, 17], 1)) == [[0, 1], [0, 2], [0, 3]]


@pytest.mark.parametrize("width", [30, 60, 200])
def test_every_cell_is_printed_at_every_width(width):
    text = printed(print_table, NUMBERS, width)
    for word in ("A title", "name", "1.000", "5.000", "failed: no memory", "A note."):
        assert word in text


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (100, f"{CLAIM}  undecided  +5.0 [-1.0, +11.0]  unstable"),
        (80, "Supervision lowers some results on non-natural…  undecided      +5.0  unstable"),
        (70, "Supervision lowers some results on non-natural…  undecided  unstable"),
        (60, "Supervision lowers some results on n…  undecided  unstable"),
    ],
)
def test_a_compact_table_has_one_line_per_row_and_leaves_out_what_does_not_fit(width, line):
    lines = printed(print_compact_table, CLAIMS, width).splitlines()
    assert len(lines) == 3
    assert all(len(text) <= width for text in lines)
    assert lines[2].split() == line.split() or lines[2].rstrip() == line


def test_long_marks_do_not_displace_the_claim_on_80_columns():
    marks = "small; paper: degenerate, unstable; corrected: shortened"
    table = dataclasses.replace(CLAIMS, rows=((*CLAIMS.rows[0][:-1], marks),))
    row = printed(print_compact_table, table, 80).splitlines()[2]
    assert CLAIM[:40] in row
    assert marks[:20] in row
    assert len(row) <= 80
