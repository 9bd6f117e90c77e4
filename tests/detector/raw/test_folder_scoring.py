import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.quick_energy import QUICK
from pyarrow import parquet

from ebmood.core.errors import EbmoodError
from ebmood.detector import EnergyDetector
from ebmood.detector.io.open_input import open_table
from ebmood.detector.raw.folder_scoring import ORIGIN_KEY, score_file, score_folder
from ebmood.detector.raw.table_detector import TableDetector

pytestmark = pytest.mark.xdist_group("folder scoring")  # its fixtures are built once

NAMES = ["a", "b"]


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(230, 2)), columns=NAMES)
    return frame.assign(id=[f"r{i}" for i in range(len(frame))])


def fit(rows: pd.DataFrame, folder: Path, seed: int = 0) -> Path:
    rows[:120].drop(columns="id").to_csv(folder / "fit.csv", index=False)
    estimator = EnergyDetector(energy=QUICK, random_state=seed, alpha=0.1)
    TableDetector.fit(estimator, open_table(folder / "fit.csv")).save(folder / f"model{seed}")
    return folder / f"model{seed}"


@pytest.fixture(scope="module")
def model(rows, tmp_path_factory) -> Path:
    return fit(rows, tmp_path_factory.mktemp("model"))


@pytest.fixture
def tables(rows, tmp_path) -> Path:
    folder = tmp_path / "tables"
    (folder / "day=2").mkdir(parents=True)
    rows[120:180].to_parquet(folder / "part-0.parquet")
    rows[180:].iloc[:, ::-1].to_parquet(folder / "day=2" / "part-0.parquet")
    rows[:0].to_parquet(folder / "part-1.parquet")
    return folder


def score_in_threads(model, tables, out, **options):
    return score_folder(
        model, tables, out, keep=["id"], open_executor=lambda: ThreadPoolExecutor(1), **options
    )


@pytest.mark.slow
def test_processes_give_the_scores_of_one_run_over_all_rows(model, tables, tmp_path):
    fractions = []
    result = score_folder(
        model, tables, tmp_path / "out", keep=["id"], jobs=2, progress=lambda _, done: fractions.append(done)
    )
    assert result.failed == {}
    assert fractions == [0, pytest.approx(1 / 3), pytest.approx(2 / 3), 1]
    batches = list(TableDetector.load(model).score(open_table(tables), ["id"]))
    ids = np.concatenate([batch.kept_columns["id"] for batch in batches])
    scores = np.concatenate([batch.scores for batch in batches])
    written = pd.concat([pd.read_parquet(tmp_path / "out" / name) for name in result.completed])
    assert len(written) == 110
    assert dict(zip(written["id"], written["score"], strict=True)) == dict(zip(ids, scores, strict=True))
    assert sum(file.rows for file in result.completed.values()) == 110
    assert sum(file.flagged for file in result.completed.values()) == written["flag"].sum() > 0
    assert list(pd.read_parquet(tmp_path / "out" / "part-1.parquet")) == ["id", "score", "p_value", "flag"]
    assert not list((tmp_path / "out").rglob("*.partial*"))


def test_only_missing_or_outdated_files_are_scored_again(model, rows, tables, tmp_path):
    out = tmp_path / "out"

    def newly_scored(model=model, **options) -> list[str]:
        result = score_in_threads(model, tables, out, **options)
        assert not result.failed
        return sorted(str(name) for name, file in result.completed.items() if file.is_new)

    all_files = ["day=2/part-0.parquet", "part-0.parquet", "part-1.parquet"]
    assert newly_scored() == all_files
    before = (out / "part-0.parquet").stat().st_mtime_ns
    again = score_in_threads(model, tables, out)
    assert [file.is_new for file in again.completed.values()] == [False] * 3
    assert sum(file.rows for file in again.completed.values()) == 110
    assert (out / "part-0.parquet").stat().st_mtime_ns == before

    (out / "part-0.parquet").write_bytes((out / "part-0.parquet").read_bytes()[:-9])  # truncated
    assert newly_scored() == ["part-0.parquet"]
    rows[120:181].to_parquet(tables / "part-0.parquet")  # another table
    assert newly_scored() == ["part-0.parquet"]
    assert len(pd.read_parquet(out / "part-0.parquet")) == 61
    assert newly_scored(model=fit(rows, tmp_path, seed=1)) == all_files  # another detector
    assert newly_scored() == all_files
    origin = json.loads(parquet.read_schema(out / "part-1.parquet").metadata[ORIGIN_KEY.encode()])
    assert origin["keep"] == ["id"]


def test_an_invalid_file_is_reported_and_does_not_affect_the_others(model, rows, tables, tmp_path):
    rows[:9].assign(a="much").to_parquet(tables / "invalid.parquet")
    (tables / "truncated.parquet").write_bytes(b"PAR1 and no more")
    result = score_in_threads(model, tables, tmp_path / "out")
    assert sorted(map(str, result.failed)) == ["invalid.parquet", "truncated.parquet"]
    assert (
        "invalid.parquet: row 1, column 'a': 'much' is not a number" in result.failed[Path("invalid.parquet")]
    )
    assert "truncated.parquet: not a readable Parquet file" in result.failed[Path("truncated.parquet")]
    assert len(result.completed) == 3
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.parquet")}
    assert written == set(map(str, result.completed))


def test_scores_are_not_written_into_the_folder_of_the_tables(model, tables):
    for out in (tables, tables / "scores"):
        with pytest.raises(EbmoodError, match="is inside the folder of the tables"):
            score_in_threads(model, tables, out)
    assert len(list(tables.rglob("*.parquet"))) == 3


def test_a_worker_without_access_to_the_output_folder_writes_nothing(model, tables, tmp_path):
    with pytest.raises(EbmoodError, match="no such folder; OUT must be on a file system that all workers"):
        score_file(model, tables, Path("part-0.parquet"), tmp_path / "far" / "s.parquet", (), ("id",), "cpu")
    assert not (tmp_path / "far").exists()
