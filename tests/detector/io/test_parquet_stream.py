import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from ebmood.core.errors import EbmoodError
from ebmood.detector.cells.cell_values import read_numbers
from ebmood.detector.io.open_input import open_table


def test_the_files_of_a_folder_are_read_in_order(tmp_path):
    for name, rows in {"b": [3, 4], "a": [1, 2], "sub/c": [5], "_temporary/d": [9], "empty": []}.items():
        path = tmp_path / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        values = pyarrow.array(rows, pyarrow.int64())
        parquet.write_table(pyarrow.table({"x": values, "__index_level_0__": values}), path)
    table = open_table(tmp_path)
    assert table.names == ("x",)
    chunks = list(table.chunks(["x"]))
    assert [chunk.rows.column(0).to_pylist() for chunk in chunks] == [[1, 2], [3, 4], [5]]
    assert chunks[1].describe_cell(1, "x") == f"{tmp_path / 'b.parquet'}: row 2, column 'x'"
    assert table.fraction == 1
    parquet.write_table(pyarrow.table({"y": [1]}), tmp_path / "z.parquet")
    with pytest.raises(EbmoodError, match=r"column 'x' is in only one of a.parquet and z.parquet"):
        list(open_table(tmp_path).chunks(["x"]))


def test_truncated_files_and_other_formats_are_refused(tmp_path):
    path = tmp_path / "t.parquet"
    parquet.write_table(pyarrow.table({"a": list(range(1000))}), path)
    complete = path.read_bytes()
    for content, message in (
        (complete[:-100], "not a readable Parquet file"),
        (b"", "empty"),
        (b"PAR1", "not a readable Parquet file"),
    ):
        path.write_bytes(content)
        with pytest.raises(EbmoodError, match=message):
            open_table(path)


def test_names_with_dots_and_narrow_types_are_read(tmp_path):
    path = tmp_path / "t.parquet"
    half = pyarrow.array(np.array([0.5, 2], dtype=np.float16))
    parquet.write_table(pyarrow.table({"a.b": half, "a": pyarrow.array([1, 2]).dictionary_encode()}), path)
    (chunk,) = open_table(path).chunks(["a.b", "a"])
    assert read_numbers(chunk.rows.column("a.b")).values.tolist() == [0.5, 2]
    assert read_numbers(chunk.rows.column("a")).values.tolist() == [1, 2]


def test_memory_holds_one_row_group_at_a_time(tmp_path):
    path = tmp_path / "t.parquet"
    rows = np.random.default_rng(0).normal(size=20_000)  # 160 kB that cannot be compressed
    with parquet.ParquetWriter(path, pyarrow.schema([("a", pyarrow.float64())])) as writer:
        for _ in range(50):
            writer.write_table(pyarrow.table({"a": rows}))
    before, peak, rows_read = pyarrow.total_allocated_bytes(), 0, 0
    for chunk in open_table(path).chunks(["a"]):
        rows_read += chunk.rows.num_rows
        peak = max(peak, pyarrow.total_allocated_bytes() - before)
    assert rows_read == 50 * len(rows)
    assert peak < 10 * rows.nbytes  # of 50


def test_memory_holds_a_part_of_a_row_group(tmp_path):
    path = tmp_path / "t.parquet"
    rows = np.random.default_rng(0).normal(size=1_500_000)  # 12 MB
    parquet.write_table(pyarrow.table({"a": rows}), path, row_group_size=len(rows))
    before, peak, first = pyarrow.total_allocated_bytes(), 0, 0
    for chunk in open_table(path).chunks(["a"]):
        peak = max(peak, pyarrow.total_allocated_bytes() - before)
        assert (chunk.rows["a"].to_numpy() == rows[first : first + chunk.rows.num_rows]).all()
        first += chunk.rows.num_rows
    assert first == len(rows)
    assert peak < rows.nbytes / 3


def test_names_of_folders_are_columns(tmp_path):
    for folder, x in {
        "site=north/month=3": 1,
        "site=s%20o": 2,
        "site=__HIVE_DEFAULT_PARTITION__": 3,
        ".": 4,
    }.items():
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        parquet.write_table(pyarrow.table({"x": [x]}), tmp_path / folder / "part-0.parquet")
    table = open_table(tmp_path)
    assert set(table.names) == {"x", "site", "month"}
    assert table.optional == {"site", "month"}
    rows = [chunk.rows.to_pylist()[0] for chunk in table.chunks(["month", "x", "site"])]
    assert sorted(rows, key=lambda row: row["x"]) == [
        {"month": "3", "x": 1, "site": "north"},
        {"month": None, "x": 2, "site": "s o"},
        {"month": None, "x": 3, "site": None},
        {"month": None, "x": 4, "site": None},
    ]
    file = tmp_path / "site=north/month=3/part-0.parquet"
    assert open_table(file).names == ("x",)


@pytest.mark.parametrize("kind", [pyarrow.list_(pyarrow.float32()), pyarrow.list_(pyarrow.float32(), 512)])
def test_a_chunk_of_long_lists_has_few_rows(tmp_path, kind):
    rows = np.random.default_rng(0).normal(size=(2_000, 512)).astype(np.float32)
    path = tmp_path / "t.parquet"
    parquet.write_table(pyarrow.table({"e.f": pyarrow.array(list(rows), kind), "n": range(2_000)}), path)
    chunks = list(open_table(path).chunks(["n", "e.f"]))
    assert max(chunk.rows.num_rows for chunk in chunks) <= 2**18 // 512
    assert [chunk.rows.column(0)[0].as_py() for chunk in chunks] == [chunk.first_row for chunk in chunks]
    read = np.concatenate([chunk.rows.column(1).flatten().to_numpy() for chunk in chunks])
    np.testing.assert_array_equal(read.reshape(rows.shape), rows)
    [whole] = open_table(path).chunks(["n"])  # other columns do not count
    assert whole.rows.num_rows == 2_000
