"""The tables of a study on the terminal, from the same objects as its files."""

from pathlib import Path

from rich import box
from rich.console import Console, Group
from rich.table import Table as RichTable
from rich.text import Text

from ebmood.study.records import Record
from ebmood.study.table import Table

WIDE = 400
"""Columns of a page that is no terminal: a file or a pipe breaks no lines."""


def show_report(records: list[Record], folder: Path) -> None:
    """Write tables and figures into `folder`, and print the tables.

    Raises:
        EbmoodError: the folder cannot be written.
    """
    from ebmood.study.report import write_report  # draws with matplotlib: late, after the training

    messages = Console(stderr=True, highlight=False)
    with messages.status("making tables and figures"):
        tables = write_report(records, folder)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDE)
    for table in tables:
        console.print(render(table))
    messages.print(f"tables/ and figures/ are in {folder}; read {folder / 'results.md'}", soft_wrap=True)


def render(table: Table) -> Group:
    """A table of a study as rich draws it, with its notes below."""
    grid = RichTable(
        box=box.SIMPLE_HEAD, pad_edge=False, title=Text(table.title, "bold"), title_justify="left"
    )
    for column in table.columns:
        grid.add_column(Text(column.title), justify="left" if column.shape == "text" else "right")
    for row in table.texts():
        grid.add_row(*(Text(text, "red" if text.startswith("failed") else "") for text in row))
    notes = [Text(note, "dim") for note in table.notes]
    return Group(*([grid] if table.rows else [Text(table.title, "bold")]), *notes, Text())
