"""Read a whole table for tests of the readers."""

from pathlib import Path

import pyarrow

from ebmood.detector.io.open_input import open_table


def read_table(path: Path | str, *columns: str) -> list[list]:
    """Return the cells of some columns, or of all."""
    table = open_table(path)
    chunks = list(table.chunks(columns or table.names))
    whole = pyarrow.Table.from_batches([chunk.rows for chunk in chunks])
    return [column.to_pylist() for column in whole.columns]
