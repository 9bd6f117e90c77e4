"""Tables on the terminal, from the same objects as the files of a study."""

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from ebmood.core.words import printable
from ebmood.results.tables.table import Table

GAP = 2
"""Blanks between two columns."""

SHORTEST, COMFORTABLE = 10, 44
"""Smallest width of the first column of a compact table, and the width that it keeps before others are left out."""

SHORT_MARKS = 24
"""Width of the marks from which a compact table may cut them in favour of the first column."""

UNBOUNDED = 1000
"""Width of output that is not a terminal: files and pipes do not wrap lines."""


def output_console() -> Console:
    """Return a console for standard output that does not wrap lines in files and pipes."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=UNBOUNDED)


def print_table(console: Console, table: Table) -> None:
    """Print a table and its notes. A wide table is continued below, with its first columns repeated."""
    console.print(Text(printable(table.title), "bold"))
    if table.rows:
        texts = [table.titles, *_texts(table)]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        for columns in panels(table, widths, console.width):
            console.print(_grid(table, columns, texts[1:], box.SIMPLE_HEAD))
    for note in table.notes:
        console.print(Text(printable(note), "dim"))
    console.print()


def print_compact_table(console: Console, table: Table) -> None:
    """Print a table with one line per row.

    Parts that do not fit are left out, in this order: intervals, changes, the ends of long marks, the ends of texts.
    """
    console.print(Text(printable(table.title), "bold"), no_wrap=True, overflow="ellipsis")
    columns, texts = _fitting(table, console.width)
    widths = [max(map(len, column)) for column in zip(table.titles, *texts, strict=True)]
    excess = _total([min(widths[0], COMFORTABLE), *widths[1:]], columns) - console.width
    last = max(widths[-1] - max(excess, 0), min(widths[-1], SHORT_MARKS))
    first = max(console.width - _total([*widths[:-1], last], columns[1:]) - GAP, SHORTEST)
    texts = [[_cut(row[0], first), *row[1:-1], _cut(row[-1], last)] for row in texts]
    console.print(_grid(table, columns, texts, None, no_wrap=True))
    for note in table.notes:
        console.print(Text(printable(note), "dim"), no_wrap=True, overflow="ellipsis")


def _texts(table: Table) -> list[list[str]]:
    """Return the cells of a table as a terminal shows them."""
    return [[printable(text) for text in row] for row in table.texts()]


def _fitting(table: Table, width: int) -> tuple[list[int], list[list[str]]]:
    """Return the columns and texts of a table with as much detail as fits into `width`."""
    texts = _texts(table)
    changes = [i for i, column in enumerate(table.columns) if column.shape == "change"]
    short = [[text.split(" [")[0] if i in changes else text for i, text in enumerate(row)] for row in texts]
    columns = list(range(len(table.columns)))
    for candidate in (texts, short):
        widths = [max(map(len, column)) for column in zip(table.titles, *candidate, strict=True)]
        widths[0] = min(widths[0], COMFORTABLE)
        if _total(widths, columns) <= width:
            return columns, candidate
    return [i for i in columns if i not in changes], short


def _total(widths: Sequence[int], columns: Sequence[int]) -> int:
    return sum(widths[i] + GAP for i in columns)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def panels(table: Table, widths: Sequence[int], page: int) -> Iterator[list[int]]:
    """Yield the columns of each panel of a wide table: the leading text columns, and other columns that fit.

    Args:
        table: the table.
        widths: width of each column.
        page: width of the page.
    """
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


def _grid(
    table: Table,
    columns: Sequence[int],
    texts: Sequence[Sequence[str]],
    lines: box.Box | None,
    no_wrap: bool = False,
) -> RichTable:
    grid = RichTable(box=lines, padding=(0, GAP, 0, 0), pad_edge=False)
    for i in columns:
        justify = "left" if table.columns[i].shape == "text" else "right"
        grid.add_column(Text(table.columns[i].title), justify=justify, no_wrap=no_wrap, overflow="ellipsis")
    for row in texts:
        grid.add_row(*(Text(row[i], "red" if row[i].startswith("failed") else "") for i in columns))
    return grid
