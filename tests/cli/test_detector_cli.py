import json
import os
import re
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from ebmood.cli import main
from ebmood.core.calibration import p_values
from ebmood.detector.table_detector import TableDetector

pytestmark = pytest.mark.filterwarnings("ignore::ebmood.core.errors.SelfTestWarning")
COLUMNS = ["mean radius", "mean texture", "mean area"]


def shell(monkeypatch, capsys, *words: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command line, run in this process."""
    monkeypatch.setattr(sys, "argv", ["ebmood", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capsys.readouterr()
    return left.value.code or 0, out, err


@pytest.fixture
def ebmood(monkeypatch, capsys):
    return lambda *words: shell(monkeypatch, capsys, *words)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Real rows with an identifier, a category that has nothing to say, and gaps."""
    folder = tmp_path_factory.mktemp("tables")
    cells = load_breast_cancer(as_frame=True)
    frame = cells.data[COLUMNS].copy()
    frame["site"] = np.where(np.arange(len(frame)) % 3 == 0, "Oslo", "Bergen")
    frame["id"] = [f"r{i}" for i in range(len(frame))]
    frame.loc[frame.index % 50 == 7, "mean texture"] = np.nan
    benign, malignant = frame[cells.target == 1], frame[cells.target == 0]
    benign[:250].to_csv(folder / "fit.csv", index=False)
    benign[250:].to_csv(folder / "in.csv", index=False)
    malignant[:100].to_csv(folder / "out.csv", index=False)
    malignant[100:].to_parquet(folder / "out.parquet")
    return folder


OPTIONS = ("--drop", "id", "--one-hot", "site", "--impute", "mean*", "--steps", "5")


@pytest.fixture(scope="module")
def model(tables):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sys, "argv", ["ebmood", "fit", str(tables / "fit.csv"), "-o", str(tables / "model"), *OPTIONS]
        )
        with pytest.raises(SystemExit) as left:
            main()
    assert not left.value.code
    return tables / "model"


def prepared(model, table):
    """Rows as the estimator within sees them, and it."""
    saved = TableDetector.load(model)
    assert saved.preparation is not None
    x = table[COLUMNS].fillna(saved.preparation.fills)
    x["site=Bergen"], x["site=Oslo"] = (1.0 * (table["site"] == site) for site in ("Bergen", "Oslo"))
    return x, saved.detector


def test_scores_of_the_shell_are_those_of_the_estimator(ebmood, model, tables, tmp_path):
    code, out, err = ebmood(
        "score", model, tables / "in.csv", "-o", tmp_path / "s.csv", "--keep", "id", "--json"
    )
    assert code == 0, err
    scores = pd.read_csv(tmp_path / "s.csv")
    assert list(scores) == ["id", "score", "p_value", "flag"]
    table = pd.read_csv(tables / "in.csv")
    assert list(scores["id"]) == list(table["id"])

    x, detector = prepared(model, table)
    np.testing.assert_array_equal(scores["score"], detector.score_samples(x))
    np.testing.assert_array_equal(scores["p_value"], p_values(scores["score"], detector.calibration_scores_))
    np.testing.assert_array_equal(scores["flag"], detector.predict(x) == -1)
    outcome = json.loads(out)
    assert outcome["rows"] == len(table)
    assert outcome["flagged"] == scores["flag"].sum()


def test_format_and_order_of_the_table_change_no_score(ebmood, model, tables, tmp_path):
    table = pd.read_csv(tables / "in.csv")
    whole, folder = tmp_path / "whole.parquet", tmp_path / "folder"
    folder.mkdir()
    table[[*table][::-1]].to_parquet(whole)
    table[:60].to_parquet(folder / "a.parquet")
    table[60:].to_parquet(folder / "b.parquet")
    ebmood("score", model, tables / "in.csv", "-o", tmp_path / "csv.parquet")
    expected = pd.read_parquet(tmp_path / "csv.parquet")
    for source in (whole, folder):
        code, _, err = ebmood("score", model, source, "-o", tmp_path / "s.parquet")
        assert code == 0, err
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "s.parquet"), expected)


def test_a_pipe_in_and_a_pipe_out(model, tables):
    done = subprocess.run(
        [sys.executable, "-m", "ebmood.cli", "score", model, "-", "-o", "-", "--keep", "i*"],
        input=(tables / "out.csv").read_bytes(),
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "id,score,p_value,flag"
    assert len(lines) == 101
    assert b"100 rows" in done.stderr


def distance_to_the_fifth(tables, table):
    """Of rows to the fifth nearest fitted one, gaps filled and columns standardised as those are."""
    fitted, rows = (frame[COLUMNS] for frame in (pd.read_csv(tables / "fit.csv"), table))
    middle = fitted.median()
    mean, spread = fitted.fillna(middle).mean(), fitted.fillna(middle).std()
    known, asked = ((frame.fillna(middle) - mean) / spread for frame in (fitted, rows))
    return NearestNeighbors(n_neighbors=5).fit(known.to_numpy()).kneighbors(asked.to_numpy())[0][:, -1]


def test_evaluate_finds_malignant_cells(ebmood, model, tables):
    words = (
        "evaluate",
        model,
        "--in",
        tables / "in.csv",
        "--out",
        tables / "out.csv",
        tables / "out.parquet",
    )
    code, out, _ = ebmood(*words, "--json")
    assert code == 0
    outcome = json.loads(out)
    assert [each["rows"] for each in outcome["out"]] == [100, 112]
    inside = pd.read_csv(tables / "in.csv")
    outside = pd.read_csv(tables / "out.csv"), pd.read_parquet(tables / "out.parquet")
    for each, there in zip(outcome["out"], outside, strict=True):
        scores = [detector.score_samples(x) for x, detector in (prepared(model, t) for t in (inside, there))]
        outlying = np.repeat([0, 1], [len(part) for part in scores])
        assert each["auroc"] == pytest.approx(roc_auc_score(outlying, -np.concatenate(scores)))
        near = [-distance_to_the_fifth(tables, table) for table in (inside, there)]
        assert each["auroc"] > roc_auc_score(outlying, -np.concatenate(near)) - 0.02
        assert each["flagged"] > 0.4
    assert outcome["in"]["flagged"] < 0.2
    assert outcome["false_alarm_rate"] == 2 / 51
    code, out, _ = ebmood(*words)
    assert code == 0
    assert f"{outcome['out'][1]['auroc']:.3f}" in out


def test_inspect_shows_what_was_fitted(ebmood, model):
    code, out, _ = ebmood("inspect", model, "--json")
    content = json.loads(out)
    assert code == 0
    assert (content["rows"], content["training_rows"], content["calibration_rows"]) == (250, 200, 50)
    assert content["features"] == [*COLUMNS, "site=Bergen", "site=Oslo"]
    assert content["preparation"]["ignored"] == ["id"]
    code, out, _ = ebmood("inspect", model)
    assert code == 0
    assert "200 rows, calibrated on 50 more" in out
    assert "site=Oslo" in out


def test_a_changed_preparation_is_refused(ebmood, model, tables, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in model.iterdir():
        content = path.read_bytes()
        (copy / path.name).write_bytes(content.replace(b'"Bergen"', b'"Oslo2"'))
    code, _, err = ebmood("score", copy, tables / "in.csv", "-o", tmp_path / "s.csv")
    assert code == 2
    assert "changed since it was written" in err


@pytest.mark.parametrize(
    ("text", "options", "complaint"),
    [
        ("a,b\n1,2\n1,x\n", (), "row 2, column 'b': 'x' is text.*--one-hot b.*--drop b"),
        ("a,b\n1,2\n,3\n", (), "row 2, column 'a': .*--impute a.*--drop a"),
        ("a,b\n1,2\n1,inf\n", (), "row 2, column 'b': .*infinite.*--drop b"),
        ("a,b\n1,2\n1,1e200\n", (), "row 2, column 'b': 1e.200 is too large to fit.*--drop b"),
        ("a,b\n1,2\n1,9007199254740993\n", (), "row 2, column 'b': .*past 2.53.*--drop b"),
        ("a,b\n1,2\n", (), "t.csv: 1 sample"),
        ("a,b\n1,2\n1\n", (), "row 2 has 1 cells"),
        ("a,a\n1,2\n", (), "'a' stands twice"),
        ("", (), "t.csv: the file is empty"),
        ("a,b\n1,2\n", ("--drop", "c"), "--drop c: no such column"),
        ("a,b\n1,2\n", ("--drop", "*"), "no column is left"),
        ("a,b\n1,2\n", ("--supervised",), "--label-column"),
        ("a,b\n1,2\n", ("--alpha", "0"), "alpha=0"),
        ("a,b\n,1\n,2\n,3\n", ("--impute", "a"), "'a' has no number"),
        ("a,b\n1,2\n1,2\n1,2\n", ("--device", "abacus"), "abacus"),
    ],
)
def test_a_table_that_cannot_be_fitted(ebmood, tmp_path, text, options, complaint):
    (tmp_path / "t.csv").write_text(text)
    code, out, err = ebmood("fit", tmp_path / "t.csv", "-o", tmp_path / "model", *options)
    assert code == 2
    assert not out
    assert len(err.splitlines()) == 1
    assert re.search(complaint, err), err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv"]


def test_a_table_that_cannot_be_scored_leaves_what_was_there(ebmood, model, tables, tmp_path):
    good = pd.read_csv(tables / "in.csv")
    (tmp_path / "s.csv").write_text("old")
    spoilt = good.copy()
    spoilt["mean area"] = spoilt["mean area"].astype(object)
    spoilt.loc[60, "mean area"] = "much"
    bad = {
        "row 61, column 'mean area': 'much' is text": spoilt,
        "no column 'mean area'.*is it 'mean_area'": good.rename(columns={"mean area": "mean_area"}),
        "column 'extra' was not there at the fit.*--drop extra": good.assign(extra=1),
    }
    for complaint, table in bad.items():
        table.to_csv(tmp_path / "t.csv", index=False)
        code, _, err = ebmood("score", model, tmp_path / "t.csv", "-o", tmp_path / "s.csv")
        assert code == 2
        assert re.search(complaint, err), err
        assert sorted(path.name for path in tmp_path.iterdir()) == ["s.csv", "t.csv"]
        assert (tmp_path / "s.csv").read_text() == "old"
    code, _, err = ebmood("score", model, tmp_path / "t.csv", "-o", tmp_path / "t.csv", "--drop", "extra")
    assert code == 2
    assert "is the table itself" in err
    code, _, err = ebmood("score", model, tmp_path / "t.csv", "-o", tmp_path / "s.txt", "--drop", "extra")
    assert code == 2
    assert "scores go to .csv" in err
    code, _, _ = ebmood("score", model, tmp_path / "t.csv", "-o", tmp_path / "s.csv", "--drop", "extra")
    assert code == 0
    assert len(pd.read_csv(tmp_path / "s.csv")) == len(good)


def test_a_huge_value_scores_lowest_and_an_unknown_category_is_strange(ebmood, model, tables, tmp_path):
    rows = pd.read_csv(tables / "in.csv")
    rows.loc[0, "mean area"] = 1e300
    rows.loc[1, "site"] = "Atlantis"
    rows.to_csv(tmp_path / "t.csv", index=False)
    ebmood("score", model, tmp_path / "t.csv", "-o", tmp_path / "new.csv")
    ebmood("score", model, tables / "in.csv", "-o", tmp_path / "old.csv")
    new, old = (pd.read_csv(tmp_path / f"{name}.csv")["score"] for name in ("new", "old"))
    assert np.isfinite(new).all()
    assert new.argmin() == 0
    assert new[1] < old[1]
    np.testing.assert_array_equal(new[2:], old[2:])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_full_disk_leaves_nothing(ebmood, model, tables, tmp_path, suffix):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        code, _, err = ebmood("score", model, tables / "in.csv", "-o", tmp_path / f"s.{suffix}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 2
    assert f"s.{suffix}: cannot be written (File too large)" in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_stopping_leaves_no_output_that_looks_whole(model, tables, tmp_path):
    """Ctrl-C in the midst of a table that never ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ebmood.cli", "score", model, "-", "-o", tmp_path / "s.csv"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    header, *rows = (tables / "in.csv").read_text().splitlines(keepends=True)
    os.write(process.stdin.fileno(), (header + "".join(rows)).encode())
    deadline = time.monotonic() + 60
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        os.write(process.stdin.fileno(), "".join(rows).encode())
        time.sleep(0.02)
    assert [path.suffixes for path in tmp_path.iterdir()] != []
    assert not (tmp_path / "s.csv").exists()
    process.send_signal(signal.SIGINT)
    process.stdin.close()
    err = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(30) == 130, err
    assert "nothing was written" in err
    assert list(tmp_path.iterdir()) == []


def test_classes_are_learnt_where_asked(ebmood, tables, tmp_path):
    code, out, err = ebmood(
        "fit", tables / "fit.csv", "-o", tmp_path / "m", "--label-column", "site", "--supervised",
        "--drop", "id", "--impute", "*", "--steps", "5", "--json",
    )  # fmt: skip
    assert code == 0, err
    content = json.loads(out)
    assert content["classes"] == ["Bergen", "Oslo"]
    assert content["features"] == COLUMNS
    assert content["preparation"]["ignored"] == ["site", "id"]
    code, _, err = ebmood("score", tmp_path / "m", tables / "in.csv", "-o", tmp_path / "s.csv")
    assert code == 0, err


def test_help_of_the_detector_is_light_and_teaches():
    code = """
import sys
from ebmood.cli import main
sys.argv = ["ebmood", {name!r}, "--help"]
try:
    main()
finally:
    print("HEAVY", {{"torch", "pyarrow", "numpy", "sklearn"}} & set(sys.modules))
"""
    for name in ("fit", "score", "evaluate", "inspect"):
        done = subprocess.run([sys.executable, "-c", code.format(name=name)], capture_output=True, text=True)
        assert done.stdout.rstrip().endswith("HEAVY set()"), done
        assert f"ebmood {name} " in done.stdout.split("Examples")[1]
