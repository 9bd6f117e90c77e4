"""Inputs of a classifier as batches; the detector's tests have the errors."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from ebmood.classifiers.inputs import read_batches
from ebmood.core.errors import InputError


def test_an_array_is_cut_into_batches():
    x = np.arange(10.0).reshape(5, 2)
    batches = list(read_batches(x, batch_size=2))
    assert [len(batch.x) for batch in batches] == [2, 2, 1]
    assert torch.equal(torch.cat([batch.x for batch in batches]), torch.from_numpy(x))
    assert all(batch.y is None for batch in batches)


def test_pairs_and_longer_tuples_have_labels_and_other_elements_are_ignored():
    x = torch.ones(3, 2)
    for batch in ((x, [0, 1, 2]), [x, torch.tensor([0, 1, 2])], (x, np.array([0, 1, 2]), "path")):
        (read,) = read_batches([batch], batch_size=1)
        assert read.y is not None
        assert read.y.tolist() == [0, 1, 2]
        assert read.x.shape == (3, 2)


@pytest.mark.parametrize("kind", ["other byte order", "steps back", "read-only memory", "half precision"])
def test_arrays_in_any_memory_are_read_without_a_warning(kind, tmp_path):
    x = np.arange(12, dtype=np.float32).reshape(6, 2)
    np.save(tmp_path / "x.npy", x)
    given = {
        "other byte order": x.astype(x.dtype.newbyteorder(">")),
        "steps back": x[::-1].copy()[::-1],
        "read-only memory": np.load(tmp_path / "x.npy", mmap_mode="r"),
        "half precision": x.astype(np.float16),
    }[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches = list(read_batches(given, batch_size=4))
    assert np.array_equal(np.concatenate([batch.x.numpy() for batch in batches]), x)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, lambda values: pa.table(dict(values))])
def test_data_frames_and_nested_lists_of_numbers_are_arrays(frame):
    values = {"a": [1.0, 2.0, 3.0], "b": [4, 5, 6]}
    expected = np.array([[1, 4], [2, 5], [3, 6]], dtype=float)
    batches = list(read_batches(frame(values), batch_size=2))
    assert [len(batch.x) for batch in batches] == [2, 1]
    np.testing.assert_array_equal(np.concatenate([batch.x.numpy() for batch in batches]), expected)
    for lists in (expected.tolist(), tuple(map(tuple, expected.tolist()))):
        (batch,) = read_batches(lists, batch_size=9)
        np.testing.assert_array_equal(batch.x.numpy(), expected)
        assert batch.y is None
    images = np.arange(24.0).reshape(2, 3, 2, 2)
    (batch,) = read_batches(images.tolist(), batch_size=9)
    np.testing.assert_array_equal(batch.x.numpy(), images)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            pd.DataFrame({"a": [1.0, 2], "b": ["u", "v"]}),
            "column 'b': holds text or categories; a network takes num",
        ),
        ([[1.0, 2], [3.0]], "X: nested lists of different lengths"),
        ([1.0, 2, 3], "X: a list of 3 numbers; give one list for each row"),
        ([[1.0, "a"]], "give numbers"),
    ],
)
def test_other_frames_and_lists_say_what_is_wrong(x, message):
    with pytest.raises(InputError, match=message):
        list(read_batches(x, batch_size=2))
