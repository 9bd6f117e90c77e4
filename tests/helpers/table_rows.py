"""A table with every kind of cell, and access to the rows of a table by column."""

from ebmood.results.comparisons import Change
from ebmood.results.tables.table import Column, Spread, Table

TABLE = Table(
    "made",
    "A title with 5 % and a_b",
    (
        Column("method", "method & more"),
        Column("score", "score", "spread"),
        Column("over", "over, %", "change"),
        Column("poster", "poster", "number", digits=2, signed=True),
    ),
    (
        ("SSM", Spread(1 / 3, 0.1), Change(percent=-5.55, low=-9.0, high=1 / 7, seeds=(0, 1)), -4.3),
        ('a|b, "c"\nd', "failed", Change(reason="failed: x"), None),
    ),
    ("A note.",),
)


def rows_of(table, **wanted):
    """Return the rows whose cells equal `wanted`, as dictionaries by column key."""
    rows = [dict(zip((column.key for column in table.columns), row, strict=True)) for row in table.rows]
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]
