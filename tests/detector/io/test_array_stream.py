"""Arrays in files: every number is that of the array, in chunks, or one line says what is wrong."""

import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers.read_table import read_table
from hypothesis import given, settings
from hypothesis import strategies as st

from ebmood.core.errors import DataWarning, EbmoodError
from ebmood.detector.cells.cell_values import read_numbers
from ebmood.detector.io import array_stream
from ebmood.detector.io.open_input import open_table

ROWS = np.random.default_rng(0).normal(size=(700, 3))


def read_values(path: Path, *columns: str) -> np.ndarray:
    """Return the numbers of a table as the detector reads them, `(N, D)`."""
    table = open_table(path)
    columns = columns or table.names
    chunks = [
        np.column_stack([read_numbers(chunk.rows.column(name)).values for name in columns])
        for chunk in table.chunks(columns)
    ]
    assert table.fraction == 1
    return np.concatenate(chunks)


@settings(max_examples=40, deadline=None)
@given(
    dtype=st.sampled_from(["<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "g", "b1", "i1", ">i2", "<u4", ">i8"]),
    shape=st.tuples(st.integers(1, 600), st.integers(1, 4)),
    order=st.sampled_from("CF"),
    suffix=st.sampled_from([".npy", ".npz", "compressed"]),
    cells=st.sampled_from([1, 100, 2**20]),
    data=st.data(),
)
def test_numbers_of_every_type_and_order_are_those_of_the_array(dtype, shape, order, suffix, cells, data):
    scale = 1 if dtype == "b1" else 100
    values = np.random.default_rng(data.draw(st.integers(0, 9))).uniform(0, scale, shape)
    array = np.asarray(values.round(0 if dtype[-2:-1] in "biu" else 3).astype(dtype), order=order)
    if array.dtype.kind == "f":
        array[-1, 0] = np.nan
    chosen = data.draw(st.lists(st.integers(0, shape[1] - 1), min_size=1, unique=True))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(array_stream, "CHUNK_CELLS", cells)
        path = Path(folder) / ("t.npy" if suffix == ".npy" else "t.npz")
        if suffix == ".npy":
            np.save(path, array)
        else:
            (np.savez if suffix == ".npz" else np.savez_compressed)(path, array)
        np.testing.assert_array_equal(read_values(path), array.astype(np.float64))
        names = [f"x{column}" for column in chosen]
        np.testing.assert_array_equal(read_values(path, *names), array[:, chosen].astype(np.float64))


def test_columns_have_the_names_of_the_estimator_and_rows_their_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(array_stream, "CHUNK_CELLS", 1)  # then a chunk has 256 rows
    np.save(tmp_path / "t.npy", ROWS)
    table = open_table(tmp_path / "t.npy")
    assert table.names == ("x0", "x1", "x2")
    assert table.are_numbers
    chunks = list(table.chunks(["x1"]))
    assert [chunk.rows.num_rows for chunk in chunks] == [256, 256, 188]
    assert chunks[1].describe_cell(0, "x1") == f"{tmp_path / 't.npy'}: row 257, column 'x1'"


def test_one_axis_is_one_column(tmp_path):
    np.save(tmp_path / "t.npy", np.arange(5))
    assert read_table(tmp_path / "t.npy") == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize("name", ["X", "x", "features"])
def test_an_archive_of_one_array_is_read_whatever_its_name(tmp_path, name):
    np.savez(tmp_path / "t.npz", **{name: ROWS})
    np.testing.assert_array_equal(read_values(tmp_path / "t.npz"), ROWS)


def test_of_several_arrays_that_called_x_is_read_with_a_warning(tmp_path):
    np.savez(tmp_path / "t.npz", y=np.zeros(700), X=ROWS, x=np.zeros(3))
    with pytest.warns(DataWarning, match=r"t\.npz: the array X is read, and not y, x"):
        np.testing.assert_array_equal(read_values(tmp_path / "t.npz"), ROWS)


def test_infinite_numbers_and_large_whole_numbers_are_odd(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1.0, np.inf], [-np.inf, np.nan]]))
    np.save(tmp_path / "b.npy", np.array([[1, 2**60]]))
    np.save(tmp_path / "c.npy", np.array([[np.finfo(np.longdouble).max]]))
    found = {}
    for name in "abc":
        (chunk,) = open_table(tmp_path / f"{name}.npy").chunks(open_table(tmp_path / f"{name}.npy").names)
        found[name] = [read_numbers(cells).errors for cells in chunk.rows.columns]
    assert found["a"] == [{1: "-inf is infinite"}, {0: "inf is infinite"}]
    assert found["b"][0] == {}
    assert "the whole number 1152921504606846976 is larger than 2^53" in found["b"][1][0]
    if np.finfo(np.longdouble).max > np.finfo(np.float64).max:
        assert found["c"] == [{0: "inf is infinite"}]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([[object()]]), "Python objects, which are not loaded; write numbers"),
        (np.array([["a"]]), "text; write a table"),
        (np.array([[b"a"]]), "text; write a table"),
        (np.array([[1j]]), "complex numbers; write the real and the imaginary parts"),
        (np.array([["2024-01-01"]], "M8[D]"), "dates or times"),
        (np.array([[1]], "m8[s]"), "durations"),
        (np.zeros(3, [("a", float)]), "named fields; write it as a table"),
        (np.zeros(3, [("å", float), ("日", int)]), "named fields; write it as a table"),
        (np.zeros((2, 2), "V2"), "values of type"),
        (np.zeros((4, 3, 2)), r"shape \(4, 3, 2\); .* X.reshape\(len\(X\), -1\)"),
        (np.float64(3), r"shape \(\)"),
        (np.zeros((0, 3)), "no rows"),
        (np.zeros((3, 0)), "no columns"),
        (np.zeros(0), "no rows"),
    ],
)
@pytest.mark.filterwarnings("ignore:Stored array in format 3.0")
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_that_are_no_rows_of_numbers_are_refused_in_one_line(tmp_path, array, message, suffix):
    path = tmp_path / f"t{suffix}"
    np.save(path, array) if suffix == ".npy" else np.savez(path, array)
    with pytest.raises(EbmoodError, match=message) as caught:
        open_table(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_files_that_are_no_arrays_are_refused_in_one_line(tmp_path):
    path = tmp_path / "t.npy"
    np.save(path, ROWS)
    complete = path.read_bytes()
    for content, message in (
        (b"", "the file is empty"),
        (complete[:5], "not a readable array of NumPy"),
        (complete[:100], "not a readable array of NumPy"),
        (complete[:-1], "is truncated"),
        (complete[:128], "is truncated"),
        (complete + complete, "is too long"),
        (b"\x80\x04K\x01.", "not a readable array of NumPy"),  # a pickle
        (b"x0,x1\n1,2\n", "not a readable array of NumPy"),
    ):
        path.write_bytes(content)
        with pytest.raises(EbmoodError, match=message) as caught:
            open_table(path)
        assert "\n" not in str(caught.value)


def test_archives_that_are_no_arrays_are_refused_in_one_line(tmp_path):
    path = tmp_path / "t.npz"

    def message() -> str:
        with pytest.raises(EbmoodError) as caught:
            list(open_table(path).chunks(["x0"]))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    np.savez_compressed(path, ROWS)
    complete = path.read_bytes()
    path.write_bytes(complete[:-40])
    assert "not a readable .npz archive, or truncated" in message()
    path.write_bytes(complete[:3000] + bytes(50) + complete[3050:])
    assert "not a readable .npz archive, or truncated" in message()
    path.write_bytes(b"")
    assert "the file is empty" in message()
    np.savez(path, a=ROWS, b=ROWS)
    assert "holds the arrays a, b; call the one to read X" in message()
    np.savez(path)
    assert "holds no array" in message()
    np.savez(path, indices=[0], indptr=[0, 1], format=b"csr", shape=(1, 3), data=[1.0])
    assert "holds a sparse matrix" in message()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "no array")
    assert "not a readable array of NumPy" in message()
    (tmp_path / "t.npy.gz").write_bytes(b"")
    with pytest.raises(EbmoodError, match="a compressed array; decompress it"):
        open_table(tmp_path / "t.npy.gz")


def test_a_file_that_changes_during_reading_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(array_stream, "CHUNK_CELLS", 1)
    path = tmp_path / "t.npy"
    large = np.zeros((20_000, 3))
    np.save(path, large)
    chunks = open_table(path).chunks(["x0"])
    next(chunks)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(EbmoodError, match="changed while it was read"):
        list(chunks)


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_holds_one_chunk(tmp_path, monkeypatch, order):
    monkeypatch.setattr(array_stream, "CHUNK_CELLS", 2**14)
    array = np.asarray(np.random.default_rng(0).normal(size=(50_000, 8)), order=order)  # 3.2 MB
    np.save(tmp_path / "t.npy", array)
    table = open_table(tmp_path / "t.npy")
    tracemalloc.start()
    rows = sum(chunk.rows.num_rows for chunk in table.chunks(table.names))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == len(array)
    assert peak < array.nbytes / 4
