"""All commands read arrays and columns of lists, and say what they read in a few lines."""

import json

import numpy as np
import pandas as pd
import pytest
from helpers.feature_tables import features, write_arrays, write_lists

import ebmood as library

TRAIN, NEW = features(120, 8, 0), features(60, 8, 1)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with arrays and tables of features. Tests must not change it."""
    folder = tmp_path_factory.mktemp("features")
    for name, values in (("fit", TRAIN), ("new", NEW), ("odd", NEW + 40)):
        write_arrays(folder, name, values)
        write_lists(folder, name, values)
    return folder


def scores(path) -> np.ndarray:
    return pd.read_csv(path)["score"].to_numpy()


def test_arrays_and_lists_have_the_scores_of_python(ebmood, files, tmp_path):
    expected = library.EnergyDetector(random_state=0, speed="fast").fit(TRAIN).score_samples(NEW)
    for fitted, new in (("fit.npy", "new.npz"), ("fit-fixed.parquet", "new.jsonl")):
        code, _, err = ebmood("fit", files / fitted, "-o", tmp_path / "model", "--speed", "fast")
        assert code == 0, err
        assert "fitted on 96 rows of 8 features" in err
        assert len(err.splitlines()) <= 3
        code, _, err = ebmood("score", tmp_path / "model", files / new, "-o", tmp_path / "scores.csv")
        assert code == 0, err
        np.testing.assert_array_equal(scores(tmp_path / "scores.csv"), expected)


def test_check_shows_an_array_in_a_line_for_each_kind_of_column(ebmood, tmp_path):
    values = features(100, 700, 0)
    values[:, 5:60:2] = 1
    values[:, 300] = np.nan
    np.save(tmp_path / "t.npy", values)
    code, out, err = ebmood("check", tmp_path / "t.npy", "--drop", "x69?")
    assert code == 0, err
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "x0, x2..x4, x6, x8, x10 and 653 more number 660 numbers –" in lines
    assert "x1, x5, x7, x9, x11 and 24 more number 29 numbers constant" in lines
    assert "x300 empty nothing has no values" in lines
    assert "x690..x699 – nothing by an option" in lines
    assert len(lines) < 12
    content = json.loads(ebmood("check", tmp_path / "t.npy", "--json")[1])
    assert len(content["columns"]) == 700
    code, _, err = ebmood("fit", tmp_path / "t.npy", "-o", tmp_path / "model", "--drop", "x69?")
    assert code == 0, err
    assert "left out: x300 (empty, has no values), x690..x699 (dropped by an option)" in err
    assert "features 689: x0..x299, x301..x689" in " ".join(ebmood("inspect", tmp_path / "model")[1].split())


def test_check_shows_a_list_in_one_line(ebmood, files, tmp_path):
    for name in ("fit-list.parquet", "fit.jsonl"):
        code, out, _ = ebmood("check", files / name)
        assert code == 0
        assert "e[0..7] list 8 numbers 1 constant: [1]" in [
            " ".join(line.split()) for line in out.splitlines()
        ]
    code, _, err = ebmood("fit", files / "fit-list.parquet", "-o", tmp_path / "model")
    assert code == 0
    assert "lists: e (8 numbers)" in err
    shown = " ".join(ebmood("inspect", tmp_path / "model")[1].split())
    assert "features 8 lists e (8 numbers)" in shown
    assert ebmood("fit", files / "fit-list.parquet", "-o", tmp_path / "none", "--drop", "e")[0] == 2


def test_many_odd_columns_are_few_lines(ebmood, tmp_path):
    values = features(30, 100, 0)
    values[3] = np.inf
    np.save(tmp_path / "t.npy", values)
    code, out, err = ebmood("check", tmp_path / "t.npy")
    assert code == 2
    assert "100 odd cells" in out
    assert f"{tmp_path / 't.npy'}: row 4, column 'x0': inf is infinite" in err
    assert "80 more such lines; --json has all" in err
    code, _, err = ebmood("fit", tmp_path / "t.npy", "-o", tmp_path / "model")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "99 more columns have odd cells" in err


def test_features_outweigh_other_columns_and_fit_says_so(ebmood, tmp_path):
    frame = pd.DataFrame({"flow": TRAIN[:, 0], "e": list(features(120, 64, 0))})
    frame.to_parquet(tmp_path / "t.parquet")
    _, _, err = ebmood("fit", tmp_path / "t.parquet", "-o", tmp_path / "model")
    assert "the features of e outweigh the 1 other column; if these matter, fit one detector on e and" in err


@pytest.mark.parametrize("name", ["{}.npy", "{}.jsonl"])
def test_the_other_commands_read_them(ebmood, files, tmp_path, name):
    fitted, new, odd = (files / name.format(part) for part in ("fit", "new", "odd"))
    model = tmp_path / "model"
    assert ebmood("fit", fitted, "-o", model, "--speed", "fast")[0] == 0
    code, out, err = ebmood("evaluate", model, "--in", new, "--out", odd, "--json")
    assert code == 0, err
    assert json.loads(out)["out"][0]["auroc"] == 1
    assert ebmood("report", model, "-o", tmp_path / "page.html", "--in", new)[0] == 0
    code, _, err = ebmood("recalibrate", model, new, "-o", tmp_path / "today")
    assert code == 0, err
    state = tmp_path / "feed.monitor"
    code, out, err = ebmood("monitor", model, new, odd, "--every", "30rows", "--state", state, "--json")
    assert code in (0, 1), err
    result = json.loads(out)
    assert result["alarm"]["row"] > len(NEW)
    assert len(result["features"]) >= 7


def test_reasons_name_columns(ebmood, files, tmp_path):
    for name, column in (("{}.npy", "x3"), ("{}-list.parquet", "e")):
        ebmood("fit", files / name.format("fit"), "-o", tmp_path / "model")
        changed = NEW.copy()
        changed[0, 3] = 1e4
        paths = {
            path.name: path
            for write in (write_arrays, write_lists)
            for path in write(tmp_path, "bad", changed)
        }
        ebmood(
            "score", tmp_path / "model", paths[name.format("bad")], "-o", tmp_path / "s.csv", "--reasons", "1"
        )
        assert pd.read_csv(tmp_path / "s.csv")["reasons"][0] == column


def test_arrays_of_another_width_are_one_line(ebmood, files, tmp_path):
    ebmood("fit", files / "fit.npy", "-o", tmp_path / "model")
    np.save(tmp_path / "wide.npy", np.zeros((3, 9)))
    np.save(tmp_path / "narrow.npy", np.zeros((3, 7)))
    for name, message in (
        ("wide", "column 'x8' was not in the training data"),
        ("narrow", "no column 'x7'"),
    ):
        code, _, err = ebmood("score", tmp_path / "model", tmp_path / f"{name}.npy", "-o", tmp_path / "s.csv")
        assert code == 2
        assert message in err
        assert len(err.splitlines()) == 1


def test_a_kept_list_is_copied(ebmood, files, tmp_path):
    ebmood("fit", files / "fit.jsonl", "-o", tmp_path / "model")
    code, _, err = ebmood(
        "score", tmp_path / "model", files / "new.jsonl", "-o", tmp_path / "s.parquet", "--keep", "e"
    )
    assert code == 0, err
    np.testing.assert_array_equal(np.stack(pd.read_parquet(tmp_path / "s.parquet")["e"].to_list()), NEW)
