"""Access to the rows of a table by column."""


def rows_of(table, **wanted):
    """Return the rows whose cells equal `wanted`, as dictionaries by column key."""
    rows = [dict(zip((column.key for column in table.columns), row, strict=True)) for row in table.rows]
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]
