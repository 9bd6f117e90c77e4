import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet
from quick_energy import QUICK

from ebmood.cli import main
from ebmood.core.errors import EbmoodError
from ebmood.detector import EnergyDetector
from ebmood.detector.folder_scoring import NOTE, score_file, score_folder
from ebmood.detector.io.open_input import open_table
from ebmood.detector.table_detector import TableDetector

NAMES = ["a", "b"]


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(230, 2)), columns=NAMES)
    return frame.assign(id=[f"r{i}" for i in range(len(frame))])


def fit(rows: pd.DataFrame, folder: Path, seed: int = 0) -> Path:
    rows[:120].drop(columns="id").to_csv(folder / "fit.csv", index=False)
    detector = EnergyDetector(energy=QUICK, random_state=seed, alpha=0.1)
    TableDetector.fit(detector, open_table(folder / "fit.csv")).save(folder / f"model{seed}")
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


def here() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


def score(model, tables, out, **options):
    return score_folder(model, tables, out, keep=["id"], open_executor=here, **options)


def test_files_hold_the_scores_that_one_run_over_all_gives(model, tables, tmp_path):
    # Through real processes, two at once.
    outcome = score_folder(model, tables, tmp_path / "out", keep=["id"], jobs=2)
    assert outcome.failed == {}
    pieces = list(TableDetector.load(model).scored(open_table(tables), ["id"]))
    ids, scores = (
        np.concatenate(parts) for parts in ([p.kept["id"] for p in pieces], [p.scores for p in pieces])
    )
    found = pd.concat([pd.read_parquet(tmp_path / "out" / name) for name in outcome.done])
    assert len(found) == 110
    assert dict(zip(found["id"], found["score"], strict=True)) == dict(zip(ids, scores, strict=True))
    assert sum(file.rows for file in outcome.done.values()) == 110
    assert sum(file.flagged for file in outcome.done.values()) == found["flag"].sum() > 0
    assert list(pd.read_parquet(tmp_path / "out" / "part-1.parquet")) == ["id", "score", "p_value", "flag"]
    assert not list((tmp_path / "out").rglob("*.partial*"))


def test_only_what_is_missing_or_of_something_else_is_scored_again(model, rows, tables, tmp_path):
    out = tmp_path / "out"

    def fresh(model=model, **options) -> list[str]:
        outcome = score(model, tables, out, **options)
        assert not outcome.failed
        return sorted(str(name) for name, file in outcome.done.items() if file.fresh)

    every = ["day=2/part-0.parquet", "part-0.parquet", "part-1.parquet"]
    assert fresh() == every
    before = (out / "part-0.parquet").stat().st_mtime_ns
    again = score(model, tables, out)
    assert [file.fresh for file in again.done.values()] == [False] * 3
    assert sum(file.rows for file in again.done.values()) == 110
    assert (out / "part-0.parquet").stat().st_mtime_ns == before

    (out / "part-0.parquet").write_bytes((out / "part-0.parquet").read_bytes()[:-9])  # torn
    assert fresh() == ["part-0.parquet"]
    rows[120:181].to_parquet(tables / "part-0.parquet")  # another table
    assert fresh() == ["part-0.parquet"]
    assert len(pd.read_parquet(out / "part-0.parquet")) == 61
    assert fresh(model=fit(rows, tmp_path, seed=1)) == every  # another model
    assert fresh() == every
    made_from = json.loads(parquet.read_schema(out / "part-1.parquet").metadata[NOTE.encode()])
    assert made_from["keep"] == ["id"]


def test_a_bad_file_costs_its_own_scores_alone_and_is_named(model, rows, tables, tmp_path):
    rows[:9].assign(a="much").to_parquet(tables / "bad.parquet")
    (tables / "torn.parquet").write_bytes(b"PAR1 and no more")
    outcome = score(model, tables, tmp_path / "out")
    assert sorted(map(str, outcome.failed)) == ["bad.parquet", "torn.parquet"]
    assert "bad.parquet: row 1, column 'a': 'much' is text" in outcome.failed[Path("bad.parquet")]
    assert "torn.parquet: not a Parquet file" in outcome.failed[Path("torn.parquet")]
    assert len(outcome.done) == 3
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.parquet")}
    assert written == set(map(str, outcome.done))


def test_scores_never_go_among_the_tables(model, tables):
    for out in (tables, tables / "scores"):
        with pytest.raises(EbmoodError, match="lies in the folder of the tables"):
            score(model, tables, out)
    assert len(list(tables.rglob("*.parquet"))) == 3


def test_a_worker_that_does_not_see_the_folder_writes_nothing(model, tables, tmp_path):
    with pytest.raises(EbmoodError, match="no such folder; OUT must lie on a disk that all workers see"):
        score_file(model, tables / "part-0.parquet", tmp_path / "far" / "s.parquet", (), ("id",), "cpu")
    assert not (tmp_path / "far").exists()


def test_the_shell_scores_a_folder_into_a_folder_and_says_what_failed(
    model, rows, tables, tmp_path, monkeypatch, capsys
):
    rows[:9].assign(a="much").to_parquet(tables / "bad.parquet")
    words = ["score", model, tables, "-o", tmp_path / "out", "--drop", "id", "-j", "1", "--json"]
    monkeypatch.setattr(sys, "argv", ["ebmood", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capsys.readouterr()
    assert left.value.code == 1
    outcome = json.loads(out)
    assert (outcome["files"], outcome["kept"], outcome["rows"]) == (3, 0, 110)
    assert list(outcome["failed"]) == ["bad.parquet"]
    assert "bad.parquet: row 1, column 'a': 'much' is text" in err.splitlines()[0]
    assert "1 of 4 files failed" in err.splitlines()[1]
    monkeypatch.setattr(
        sys, "argv", ["ebmood", "score", str(model), str(tables), "-o", str(tmp_path / "s.csv"), "-j", "2"]
    )
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "whose scores go to a folder" in capsys.readouterr().err
