import numpy as np
import pandas as pd
import pyarrow
import pytest

from ebmood.core.errors import EbmoodError
from ebmood.detector.io.score_writer import open_score_writer
from ebmood.detector.score_batch import ScoreBatch


def batch(**columns: list) -> ScoreBatch:
    ones = np.ones(1)
    return ScoreBatch(ones, ones, ones > 0, pyarrow.RecordBatch.from_pydict(columns))


def write(path, *batches: ScoreBatch) -> None:
    with open_score_writer(path) as write_batch:
        for scores in batches:
            write_batch(scores)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_batches_are_written_in_order_with_kept_columns(tmp_path, suffix):
    path = tmp_path / f"s.{suffix}"
    write(path, batch(id=["a"]), batch(id=["b"]))
    table = pd.read_csv(path) if suffix == "csv" else pd.read_parquet(path)
    assert list(table) == ["id", "score", "p_value", "flag"]
    assert list(table["id"]) == ["a", "b"]
    assert list(table["flag"]) == [True, True]


def test_kept_columns_must_have_one_type_in_parquet_and_other_names_than_scores(tmp_path):
    with pytest.raises(EbmoodError, match="--keep id: the column has type string in one file"):
        write(tmp_path / "s.parquet", batch(id=[1]), batch(id=["1"]))
    with pytest.raises(EbmoodError, match="--keep score: the scores have a column of this name"):
        write(tmp_path / "s.csv", batch(score=[1]))
    assert list(tmp_path.iterdir()) == []


def test_dates_that_python_does_not_have_are_kept_in_parquet_only(tmp_path):
    late = batch(day=pyarrow.array([2**31 - 1], pyarrow.int32()).cast(pyarrow.date32()))
    with pytest.raises(EbmoodError, match="--keep day: holds a date beyond the years 1 to 9999; write to"):
        write(tmp_path / "scores.csv", late)
    write(tmp_path / "scores.parquet", late)
