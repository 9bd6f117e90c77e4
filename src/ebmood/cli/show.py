"""The tables of a study on the terminal, from the same objects as its files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from ebmood.results.table import Table
from ebmood.study.plan import Plan
from ebmood.study.records import Record

GAP = 2
"""Blanks between two columns."""

UNBOUNDED = 1000
"""Columns of a page that is no terminal: a file or a pipe breaks no lines."""


def show_report(plan: Plan, records: Sequence[Record], folder: Path) -> None:
    """Write tables and figures into `folder`, print the tables, and say how much of the plan they leave out.

    Raises:
        EbmoodError: the folder cannot be written.
    """
    from ebmood.results.report import write_report  # draws with matplotlib: late, after the training

    messages = Console(stderr=True, highlight=False)
    with messages.status("making tables and figures"):
        tables = write_report(records, folder, plan.title, plan)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=UNBOUNDED)
    for table in tables:
        print_table(console, table)
    missing = plan.cells_without_record(records)
    if missing:
        messages.print(
            f"{len(missing)} of the study's {len(plan.keys)} cells are not run yet", soft_wrap=True
        )
    messages.print(f"tables/ and figures/ are in {folder}; read {folder / 'results.md'}", soft_wrap=True)


def print_table(console: Console, table: Table) -> None:
    """Print a table and its notes. A wide one continues below, its first columns repeated."""
    console.print(Text(table.title, "bold"))
    cells = [[column.title for column in table.columns], *table.texts()]
    if table.rows:
        for columns in panels(
            table, [max(map(len, texts)) for texts in zip(*cells, strict=True)], console.width
        ):
            grid = RichTable(box=box.SIMPLE_HEAD, padding=(0, GAP, 0, 0), pad_edge=False)
            for i in columns:
                justify = "left" if table.columns[i].shape == "text" else "right"
                grid.add_column(Text(table.columns[i].title), justify=justify)
            for row in cells[1:]:
                grid.add_row(*(Text(row[i], "red" if row[i].startswith("failed") else "") for i in columns))
            console.print(grid)
    for note in table.notes:
        console.print(Text(note, "dim"))
    console.print()


def panels(table: Table, widths: Sequence[int], page: int) -> Iterator[list[int]]:
    """The columns that stand side by side on a page: first those that name a row, then what fits."""
    shapes = [column.shape for column in table.columns]
    first = [i for i in range(len(shapes)) if all(shape == "text" for shape in shapes[: i + 1])]
    rest = [i for i in range(len(shapes)) if i not in first]
    start = sum(widths[i] + GAP for i in first)
    panel, used = list(first), start
    for i in rest:
        if len(panel) > len(first) and used + widths[i] + GAP > page:
            yield panel
            panel, used = list(first), start
        panel.append(i)
        used += widths[i] + GAP
    yield panel
