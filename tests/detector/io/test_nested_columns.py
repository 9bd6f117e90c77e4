"""The same rows give the same columns in each format that holds structs."""

import json

import pandas as pd
import polars
import pyarrow
import pytest
from pyarrow import parquet

from ebmood.core.errors import EbmoodError, InputError
from ebmood.detector.io.frame_stream import to_arrow
from ebmood.detector.io.nested_columns import flat_columns, flat_names
from ebmood.detector.io.open_input import open_table

ROWS = [
    {"id": 1, "s": {"x": 1.5, "t": {"y": 7, "z": "Oslo"}}},
    {"id": 2, "s": {"x": None, "t": {"y": 8, "z": "Bergen"}}},
    {"id": 3, "s": {"x": 2.5, "t": None}},
    {"id": 4, "s": None},
]
FLAT = {
    "id": [1, 2, 3, 4],
    "s.x": [1.5, None, 2.5, None],
    "s.t.y": [7, 8, None, None],
    "s.t.z": ["Oslo", "Bergen", None, None],
}
TABLE = pyarrow.Table.from_pylist(ROWS)


def test_a_field_of_a_missing_struct_is_missing():
    assert list(flat_names(TABLE.schema)) == list(FLAT)
    for table in (TABLE, TABLE.slice(0)):
        columns = dict(flat_columns(zip(table.column_names, table.columns, strict=True)))
        assert {name: cells.to_pylist() for name, cells in columns.items()} == FLAT
    tail = TABLE.slice(1)
    columns = dict(flat_columns(zip(tail.column_names, tail.columns, strict=True)))
    assert {name: cells.to_pylist() for name, cells in columns.items()} == {k: v[1:] for k, v in FLAT.items()}


@pytest.mark.parametrize(
    "frame",
    [
        TABLE,
        TABLE.to_batches()[0],
        polars.from_arrow(TABLE),
        TABLE.to_pandas(types_mapper=pd.ArrowDtype),
        pd.DataFrame({"id": FLAT["id"], "s": [row["s"] for row in ROWS]}),
    ],
    ids=["arrow", "batch", "polars", "pandas-arrow", "pandas"],
)
def test_structs_of_frames_are_columns(frame):
    assert to_arrow(frame).to_pydict() == FLAT


def test_structs_of_parquet_and_json_are_the_same_columns(tmp_path):
    parquet.write_table(TABLE, tmp_path / "t.parquet", row_group_size=3)
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS[:2]))
    table = open_table(tmp_path / "t.parquet")
    assert list(table.names) == list(open_table(tmp_path / "t.jsonl").names) == list(FLAT)
    for columns in (list(FLAT), ["s.t.y"], ["s.t.z", "id", "s.x"]):
        read = pyarrow.Table.from_batches([chunk.rows for chunk in table.chunks(columns)])
        assert read.to_pydict() == {name: FLAT[name] for name in columns}


def test_rows_in_python_may_hold_mappings_and_lack_columns():
    assert to_arrow(ROWS).to_pydict() == FLAT | {"s": [None] * 4, "s.t": [None] * 4}
    assert to_arrow(ROWS[:1], ["s.x", "s.u"]).column_names == [*FLAT, "s.u"]


def test_a_name_that_occurs_inside_and_outside_of_a_column_is_refused(tmp_path):
    table = pyarrow.table({"s": [{"x": 1}], "s.x": [2]})
    parquet.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(EbmoodError, match=r"the column name 's\.x' occurs twice"):
        open_table(tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"two columns are called 's\.x'"):
        to_arrow(table)
    with pytest.raises(InputError, match=r"row 0: the key 's\.x' occurs twice"):
        to_arrow(table.to_pylist())
