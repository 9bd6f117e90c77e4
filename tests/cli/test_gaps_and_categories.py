"""Missing cells and categories from the training table to scores and the summary."""

import json

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def score(ebmood, model, tmp_path):
    """Return a function that scores a table and returns the columns of the result."""

    def run(table: pd.DataFrame, suffix: str = "csv") -> pd.DataFrame:
        path = tmp_path / f"t.{suffix}"
        table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
        code, _, err = ebmood("score", model, path, "-o", tmp_path / "s.csv")
        assert code == 0, err
        return pd.read_csv(tmp_path / "s.csv")

    return run


@pytest.fixture
def normal(tables) -> pd.DataFrame:
    table = pd.read_csv(tables / "in.csv")
    return table[table["mean texture"].notna()]


@pytest.mark.parametrize("column", ["mean radius", "site"])
def test_a_gap_in_a_column_that_was_complete_is_flagged_in_every_row(score, normal, column):
    complete, with_gaps = score(normal), score(normal.assign(**{column: None}))
    assert with_gaps["flag"].all()
    assert with_gaps["score"].max() < complete["score"].min()
    assert (with_gaps["p_value"] == with_gaps["p_value"].min()).all()


def test_a_gap_in_a_column_that_had_gaps_is_less_strange_than_a_new_one(score, normal):
    """Of the training rows, 2 % have this gap, so it lowers the score, but less than a gap that is new."""
    known, new = (score(normal.assign(**{column: None})) for column in ("mean texture", "mean radius"))
    assert (known["score"] > new["score"]).all()
    assert not known["flag"].all()


@pytest.mark.parametrize("column", ["mean texture", "mean radius"])
def test_all_ways_to_write_a_missing_number_have_equal_scores(score, normal, column):
    expected = score(normal.assign(**{column: ""}))
    for word in ("NA", "n/a", "null", "nan", "None", " "):
        pd.testing.assert_frame_equal(score(normal.assign(**{column: word})), expected)
    for missing in (np.nan, None):
        pd.testing.assert_frame_equal(score(normal.assign(**{column: missing}), "parquet"), expected)


def test_an_unseen_level_scores_lower_than_both_levels(score, normal):
    oslo, bergen, unseen = (
        score(normal.assign(site=site))["score"] for site in ("Oslo", "Bergen", "Atlantis")
    )
    assert (unseen < np.minimum(oslo, bergen)).all()


def test_codes_are_equal_in_all_formats_and_have_no_order(ebmood, tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"code": rng.choice([1, 9], 200), "flow": rng.normal(size=200).round(3)})
    table.to_csv(tmp_path / "fit.csv", index=False)
    words = ("fit", tmp_path / "fit.csv", "-o", tmp_path / "model", "--category", "co*", "--json")
    code, out, err = ebmood(*words)
    assert code == 0, err
    assert sorted(json.loads(out)["categories"]["code"]) == ["1", "9"]

    def scores(new: pd.DataFrame, suffix: str) -> np.ndarray:
        path = tmp_path / f"new.{suffix}"
        new.to_csv(path, index=False) if suffix == "csv" else new.to_parquet(path)
        code, _, err = ebmood("score", tmp_path / "model", path, "-o", tmp_path / "s.csv")
        assert code == 0, err
        return pd.read_csv(tmp_path / "s.csv")["score"].to_numpy()

    new = pd.DataFrame({"code": [1, 9, 5, 1000], "flow": 0.0})
    expected = scores(new, "csv")
    assert min(expected[:2]) > max(expected[2:])
    assert expected[2] == expected[3]
    for kind in ("float64", "str", "Int64", "category"):
        np.testing.assert_array_equal(scores(new.astype({"code": kind}), "parquet"), expected)
    np.testing.assert_array_equal(scores(new.astype({"code": float}), "csv"), expected)


def test_the_fit_and_inspect_show_categories_and_gaps(ebmood, tables, tmp_path):
    words = ("fit", tables / "fit.csv", "-o", tmp_path / "m", "--drop", "id", "--category", "site", "--json")
    code, out, err = ebmood(*words)
    assert code == 0, err
    fitted = json.loads(out)
    assert fitted["categories"] == {"site": ["Bergen", "Oslo"]}
    assert fitted["gaps"] == ["mean texture"]
    assert fitted["features"] == ["mean radius", "mean texture", "mean area", "site"]
    inspected = json.loads(ebmood("inspect", tmp_path / "m", "--json")[1])
    for key in ("categories", "gaps", "features", "memory", "views"):
        assert inspected[key] == fitted[key]


def test_options_that_no_longer_exist_are_refused(ebmood, tables, tmp_path):
    for option in (("--impute", "*"), ("--one-hot", "site"), ("--steps", "5")):
        code, _, err = ebmood("fit", tables / "fit.csv", "-o", tmp_path / "m", *option)
        assert code == 2
        assert option[0] in err
    assert not (tmp_path / "m").exists()
