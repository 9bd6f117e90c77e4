import numpy as np
import pyarrow
import pytest

from ebmood.detector.preparation.row_sample import (
    MAX_CELLS,
    MAX_ROWS,
    MIN_LIMIT,
    RowSample,
    combine,
    row_limit,
)


def sample_of(rows: int, limit: int, chunk: int) -> RowSample:
    sample = RowSample(["square", "name"], limit)
    for start in range(0, rows, chunk):
        numbers = np.arange(start, min(start + chunk, rows))
        columns = {
            "other": numbers,
            "name": pyarrow.array(map(str, numbers)).dictionary_encode(),
            "square": numbers**2,
        }
        sample.add(pyarrow.RecordBatch.from_pydict(columns))
    return sample


def take(sample: RowSample, name: str) -> list:
    return sample.take_column(name).to_pylist()


def test_a_lower_limit_gives_the_sample_of_that_limit():
    sample = RowSample(["a"], 1_000)
    for start in range(0, 5_000, 500):
        sample.lower_limit(300 if start > 2_000 else 900)
        sample.lower_limit(950)
        sample.add(pyarrow.RecordBatch.from_pydict({"a": np.arange(start, start + 500)}))
    assert sample.row_numbers().tolist() == sample_of(5_000, 300, 64).row_numbers().tolist()
    assert take(sample, "a") == sample.row_numbers().tolist()


@pytest.mark.parametrize("rows", [1, 99, 100])
def test_few_rows_are_all_held(rows):
    assert sample_of(rows, 100, 7).row_numbers().tolist() == list(range(rows))


@pytest.mark.parametrize("rows", [101, 1_000, 12_345])
def test_many_rows_are_held_up_to_the_limit_with_their_cells(rows):
    sample = sample_of(rows, 100, 64)
    numbers = sample.row_numbers()
    assert sample.seen == rows
    assert 30 <= len(numbers) <= 100
    assert (np.diff(numbers) > 0).all()
    assert take(sample, "square") == (numbers**2).tolist()
    assert take(sample, "name") == list(map(str, numbers))


def test_the_sample_does_not_depend_on_the_size_of_the_chunks():
    of_chunks = [sample_of(5_000, 300, chunk).row_numbers().tolist() for chunk in (1, 17, 5_000)]
    assert of_chunks[0] == of_chunks[1] == of_chunks[2]


def test_every_row_is_held_with_the_same_probability():
    numbers = sample_of(200_000, 40_000, 4_096).row_numbers()
    share = len(numbers) / 200_000
    assert share in (pytest.approx(1 / 8, rel=0.05), pytest.approx(1 / 16, rel=0.05))
    counts = np.bincount(numbers // 2_000, minlength=100)
    expected = 2_000 * share
    # The sum of squares has 100 degrees of freedom; each count is binomial.
    assert ((counts - expected) ** 2 / (expected * (1 - share))).sum() < 160
    odd = (numbers % 2).mean()
    assert odd == pytest.approx(0.5, abs=4 * 0.5 / len(numbers) ** 0.5)


def test_the_limit_bounds_rows_and_cells():
    assert row_limit(0) == row_limit(20) == MAX_ROWS
    assert row_limit(100) == MAX_CELLS // 100
    assert row_limit(100_000) == MIN_LIMIT


def test_pieces_of_different_types_become_one_column():
    pieces = [pyarrow.array([1, 2]), pyarrow.array([2.5]), pyarrow.nulls(1)]
    assert combine(pieces).to_pylist() == [1.0, 2.0, 2.5, None]
    assert combine([pyarrow.array(["a"]), pyarrow.array([1])]).to_pylist() == ["a", "1"]
    assert combine([pyarrow.array(["a"]).dictionary_encode(), pyarrow.array(["b"])]).to_pylist() == ["a", "b"]


def test_pieces_of_lists_become_lists_of_one_type():
    pieces = [
        pyarrow.array([[1, 2], None]),
        pyarrow.array([[0.5, 1.5]], pyarrow.list_(pyarrow.float32(), 2)),
        pyarrow.nulls(1, pyarrow.string()),
        pyarrow.nulls(1),
        pyarrow.array([[None]]),
    ]
    cells = combine(pieces)
    assert cells.type == pyarrow.large_list(pyarrow.float64())
    assert cells.to_pylist() == [[1, 2], None, [0.5, 1.5], None, None, [None]]


@pytest.mark.parametrize("other", [pyarrow.array(["x"]), pyarrow.array([["x"]]), pyarrow.array([[[1.0]]])])
def test_lists_and_other_values_become_text(other):
    cells = combine([pyarrow.array([[1.0, None], None]), other])
    assert cells.type == pyarrow.large_string()
    assert cells.to_pylist()[:2] == ["[1.0, null]", None]
