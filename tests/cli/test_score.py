import contextlib
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
from helpers.cell_tables import prepare

from ebmood.core.calibration import p_values


def test_scores_are_those_of_the_estimator(ebmood, model, tables, tmp_path):
    words = ("score", model, tables / "in.csv", "-o", tmp_path / "s.csv", "--keep", "id", "--json")
    code, out, err = ebmood(*words)
    assert code == 0, err
    scores = pd.read_csv(tmp_path / "s.csv")
    assert list(scores) == ["id", "score", "p_value", "flag", "error"]
    table = pd.read_csv(tables / "in.csv")
    assert list(scores["id"]) == list(table["id"])

    x, estimator = prepare(model, table)
    np.testing.assert_array_equal(scores["score"], estimator.score_samples(x))
    np.testing.assert_array_equal(scores["p_value"], p_values(scores["score"], estimator.calibration_scores_))
    np.testing.assert_array_equal(scores["flag"], estimator.predict(x) == -1)
    result = json.loads(out)
    assert result["rows"] == len(table)
    assert result["flagged"] == scores["flag"].sum()


def test_format_and_order_of_columns_do_not_change_scores(ebmood, model, tables, tmp_path):
    table = pd.read_csv(tables / "in.csv")
    file, folder = tmp_path / "whole.parquet", tmp_path / "folder"
    folder.mkdir()
    table[[*table][::-1]].to_parquet(file)
    table[:60].to_parquet(folder / "a.parquet")
    table[60:].to_parquet(folder / "b.parquet")
    ebmood("score", model, tables / "in.csv", "-o", tmp_path / "csv.parquet")
    expected = pd.read_parquet(tmp_path / "csv.parquet")
    for source in (file, folder):
        code, _, err = ebmood("score", model, source, "-o", tmp_path / "s.parquet")
        assert code == 0, err
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "s.parquet"), expected)


@pytest.mark.slow
def test_standard_input_to_standard_output(model, tables):
    process = subprocess.run(
        [sys.executable, "-m", "ebmood", "score", model, "-", "-o", "-", "--keep", "i*"],
        input=(tables / "out.csv").read_bytes(),
        capture_output=True,
    )
    assert process.returncode == 0, process.stderr
    lines = process.stdout.decode().splitlines()
    assert lines[0] == "id,score,p_value,flag,error"
    assert len(lines) == 101
    assert b"100 rows" in process.stderr


def test_a_changed_detector_is_refused(ebmood, model, tables, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in model.iterdir():
        (copy / path.name).write_bytes(path.read_bytes().replace(b'"Bergen"', b'"Oslo2"'))
    code, _, err = ebmood("score", copy, tables / "in.csv", "-o", tmp_path / "s.csv")
    assert code == 2
    assert "changed since it was written" in err


def test_a_table_that_cannot_be_scored_leaves_the_old_output(ebmood, model, tables, tmp_path):
    valid = pd.read_csv(tables / "in.csv")
    (tmp_path / "s.csv").write_text("old")
    with_text = valid.copy()
    with_text["mean area"] = with_text["mean area"].astype(object)
    with_text.loc[60, "mean area"] = "much"
    invalid = {
        "row 61, column 'mean area': 'much' is not a number": with_text,
        "no column 'mean area'.*is it 'mean_area'": valid.rename(columns={"mean area": "mean_area"}),
        "column 'extra' was not in the training data.*--drop extra": valid.assign(extra=1),
    }
    for message, table in invalid.items():
        table.to_csv(tmp_path / "t.csv", index=False)
        words = ("score", model, tmp_path / "t.csv", "-o", tmp_path / "s.csv", "--on-error", "fail")
        code, _, err = ebmood(*words)
        assert code == 2
        assert re.search(message, err), err
        assert sorted(path.name for path in tmp_path.iterdir()) == ["s.csv", "t.csv"]
        assert (tmp_path / "s.csv").read_text() == "old"
    for name, message in (("t.csv", "is the table itself"), ("s.txt", "scores are written to .csv")):
        code, _, err = ebmood("score", model, tmp_path / "t.csv", "-o", tmp_path / name, "--drop", "extra")
        assert code == 2
        assert message in err
    code, _, _ = ebmood("score", model, tmp_path / "t.csv", "-o", tmp_path / "s.csv", "--drop", "extra")
    assert code == 0
    assert len(pd.read_csv(tmp_path / "s.csv")) == len(valid)


def test_a_huge_value_scores_lowest_and_an_unknown_category_scores_lower(ebmood, model, tables, tmp_path):
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
def test_a_full_disk_leaves_no_file(ebmood, model, tables, tmp_path, suffix):
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


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_file(model, tables, tmp_path, number):
    process = subprocess.Popen(
        [sys.executable, "-m", "ebmood", "score", model, "-", "-o", tmp_path / "s.csv"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    header, *rows = (tables / "in.csv").read_text().splitlines(keepends=True)
    os.write(process.stdin.fileno(), (header + "".join(rows)).encode())
    # The process may take long to start on a busy machine, so its file is waited for, and not a time.
    while not list(tmp_path.iterdir()) and process.poll() is None:
        with contextlib.suppress(BrokenPipeError):
            os.write(process.stdin.fileno(), "".join(rows).encode())
        time.sleep(0.02)
    assert process.poll() is None, process.stderr.read().decode()
    assert not (tmp_path / "s.csv").exists()
    process.send_signal(number)
    process.stdin.close()
    err = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(30) == 130, err
    assert "interrupted; nothing was written" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_folder_is_scored_to_a_folder_and_failures_are_reported(ebmood, model, tables, tmp_path):
    rows = pd.read_csv(tables / "in.csv")
    (tmp_path / "tables").mkdir()
    rows[:50].to_parquet(tmp_path / "tables" / "a.parquet")
    rows[:9].assign(**{"mean area": "much"}).to_parquet(tmp_path / "tables" / "invalid.parquet")
    words = ("score", model, tmp_path / "tables", "-o", tmp_path / "out", "-j", 1)
    code, out, err = ebmood(*words, "--json")
    assert code == 1
    result = json.loads(out)
    assert (result["files"], result["kept"], result["rows"]) == (1, 0, 50)
    assert list(result["failed"]) == ["invalid.parquet"]
    assert "invalid.parquet: row 1, column 'mean area': 'much' is not a number" in err.splitlines()[0]
    assert "1 of 2 files failed; repeat the command" in err.splitlines()[1]
    (tmp_path / "tables" / "invalid.parquet").unlink()
    code, _, err = ebmood(*words)
    assert code == 0
    assert "1 files (1 of them already existed), 50 rows" in err


def test_jobs_are_refused_for_a_single_file(ebmood, model, tables, tmp_path):
    code, _, err = ebmood("score", model, tables / "in.csv", "-o", tmp_path / "s.csv", "-j", 2)
    assert code == 2
    assert "-j and --cluster apply only to a folder" in err
