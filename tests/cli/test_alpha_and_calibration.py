"""Another level of the flags without a new fit, leave-one-out calibration, and contamination, on the command line."""

import json

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def table(tmp_path):
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(120, 3)), columns=list("abc"))
    rows.loc[:2] = [[9.0, -9, 9], [-12, 5, 0], [0, 20, 0]]
    rows.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def test_alpha_of_score_needs_no_new_fit(ebmood, table, tmp_path):
    ebmood("fit", table, "-o", tmp_path / "model")
    flagged = {}
    for alpha in ("0.05", "0.2"):
        code, out, _ = ebmood(
            "score", tmp_path / "model", table, "-o", tmp_path / f"{alpha}.csv", "--alpha", alpha, "--json"
        )
        assert code == 0
        scores = pd.read_csv(tmp_path / f"{alpha}.csv")
        assert (scores.flag == (scores.p_value <= float(alpha))).all()
        flagged[alpha] = json.loads(out)["flagged"]
        assert json.loads(out)["alpha"] == float(alpha)
    assert flagged["0.05"] < flagged["0.2"]
    code, _, err = ebmood("score", tmp_path / "model", table, "-o", tmp_path / "x.csv", "--alpha", "2")
    assert code == 2
    assert "--alpha 2.0: must be a number above 0 and below 1" in err


def test_files_of_a_folder_are_scored_again_for_another_alpha(ebmood, table, tmp_path):
    (tmp_path / "in").mkdir()
    pd.read_csv(table).to_parquet(tmp_path / "in" / "a.parquet")
    ebmood("fit", table, "-o", tmp_path / "model")
    for alpha, kept in ((), 0), ((), 1), (("--alpha", "0.2"), 0), (("--alpha", "0.2"), 1):
        _, out, _ = ebmood(
            "score", tmp_path / "model", tmp_path / "in", "-o", tmp_path / "out", "-j", "1", "--json", *alpha
        )
        assert json.loads(out)["kept"] == kept


def test_leave_one_out_calibration_and_contamination_are_shown(ebmood, table, tmp_path):
    code, _, err = ebmood(
        "fit", table, "-o", tmp_path / "model", "--calibration", "loo", "--contamination", "0.025"
    )
    assert code == 0
    assert "left out as the strangest: 3 rows" in err
    assert "calibrated on the same rows, each left out of its own score" in err
    _, out, _ = ebmood("inspect", tmp_path / "model")
    out = " ".join(out.split())
    assert "117 rows, calibrated on the same rows" in out
    assert "the 3 strangest rows were left out" in out
    content = json.loads(ebmood("inspect", tmp_path / "model", "--json")[1])
    assert content["calibration"] == "loo"
    assert not {row["row"] for row in content["strangest_rows"]} & {1, 2, 3}


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        (
            "--calibration",
            "half",
            "--calibration half: must be a fraction, a number of rows, auto, loo or last",
        ),
        (
            "--calibration",
            "30%",
            "--calibration 30%: must be a fraction, a number of rows, auto, loo or last",
        ),
        (
            "--calibration",
            "1.0",
            "--calibration 1.0: must be a fraction above 0 and below 1, a number of rows",
        ),
        ("--calibration", "0", "a number of rows from 1, auto, loo or last\n"),
        ("--calibration", "nan", "--calibration nan: must be a fraction"),
        ("--calibration", "inf", "--calibration inf: must be a fraction"),
        ("--contamination", "some", "--contamination some: must be a fraction, or auto"),
        (
            "--contamination",
            "0.9",
            "--contamination 0.9: must be a fraction above 0 and at most 0.5, or auto\n",
        ),
        ("--device", "abacus", "error: --device abacus: is not available on this machine"),
    ],
)
def test_nonsense_is_refused_in_one_line(ebmood, table, tmp_path, option, value, message):
    code, _, err = ebmood("fit", table, "-o", tmp_path / "model", option, value)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "model").exists()


@pytest.mark.filterwarnings("default::UserWarning")
def test_few_rows_get_one_advice(ebmood, tmp_path):
    for rows, advice in (5, "give 95 rows or more, or 19 rows or more with --calibration loo"), (30, "loo"):
        path = tmp_path / f"{rows}.csv"
        pd.DataFrame(np.random.default_rng(0).normal(size=(rows, 2)), columns=["a", "b"]).to_csv(
            path, index=False
        )
        code, _, err = ebmood(
            "fit", path, "-o", tmp_path / f"m{rows}", "--speed", "fast", "--calibration", "0.2"
        )
        assert code == 0
        assert "no row will be flagged" in err
        assert "single strange ones" not in err
        assert advice in err


@pytest.mark.filterwarnings("default::UserWarning")
def test_few_rows_are_enough_without_an_option(ebmood, tmp_path):
    rng = np.random.default_rng(0)
    far = tmp_path / "far.csv"
    pd.DataFrame(rng.normal(size=(9, 2)) + 50, columns=["a", "b"]).to_csv(far, index=False)
    for rows, words in (
        (18, "no row will be flagged"),
        (25, "each left out of its own score"),
        (93, "on 19 more"),
    ):
        path, model = tmp_path / f"{rows}.csv", tmp_path / f"m{rows}"
        pd.DataFrame(rng.normal(size=(rows, 2)), columns=["a", "b"]).to_csv(path, index=False)
        code, _, err = ebmood("fit", path, "-o", model)
        assert (code, words in err) == (0, True), err
        _, out, _ = ebmood("score", model, far, "-o", tmp_path / "scores.csv", "--json")
        assert json.loads(out)["flagged"] == (9 if rows > 18 else 0)
        assert json.loads(ebmood("inspect", model, "--json")[1])["leave_one_out"] == (rows == 25)
    _, _, err = ebmood("fit", tmp_path / "18.csv", "-o", tmp_path / "m18")
    assert "give 19 rows or more" in err
