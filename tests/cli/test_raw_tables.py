"""Raw tables of mixed columns go through check, fit, score and monitor without options, and no row is lost."""

import datetime as dt
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pytest
from helpers.run_cli import run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

pytestmark = pytest.mark.filterwarnings(
    "ignore::ebmood.core.errors.SelfTestWarning", "ignore::ebmood.core.errors.CalibrationWarning"
)
N = 300


def plant(rows: int = N, seed: int = 0) -> pd.DataFrame:
    """Return rows of a plant as a data base would export them."""
    rng = np.random.default_rng(seed)
    flow = rng.normal(20, 2, rows)
    start = dt.datetime(2024, 1, 1)
    return pd.DataFrame(
        {
            "row": np.arange(rows),
            "order_id": [f"O-{i:06}" for i in rng.permutation(10**5)[:rows]],
            "measured": [(start + dt.timedelta(hours=7 * i)).isoformat() for i in range(rows)],
            "flow": flow.round(3),
            "power": (2 * flow + rng.normal(0, 0.5, rows)).round(3),
            "site": rng.choice(["north", "south"], rows),
            "valve_open": rng.choice([True, False], rows),
            "firmware": 7,
            "note": [
                " ".join(rng.choice(["pump", "valve", "ok", "checked", "again", "by"], 6))
                for _ in range(rows)
            ],
        }
    )


def write(table: pd.DataFrame, path: Path) -> Path:
    """Write a table in the format of the suffix."""
    match path.name.split(".", 1)[1]:
        case "parquet":
            table.to_parquet(path)
        case "jsonl":
            table.to_json(path, orient="records", lines=True)
        case "xlsx":
            table.to_excel(path, index=False)
        case "semicolon.csv":
            table.to_csv(path, sep=";", decimal=",", index=False)
        case "tsv":
            table.to_csv(path, sep="\t", index=False)
        case _:
            table.to_csv(path, index=False)  # also .csv.gz and .csv.zst
    return path


SUFFIXES = ["csv", "csv.gz", "semicolon.csv", "tsv", "parquet", "jsonl", "xlsx"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("plant")
    write(plant(), folder / "train.csv")
    with pytest.MonkeyPatch.context() as patch:
        code, _, err = run(patch, "fit", folder / "train.csv", "-o", folder / "model")
    assert code == 0, err
    return folder / "model"


def scores_of(ebmood, model: Path, path: Path, *words: str) -> pd.DataFrame:
    code, _, err = ebmood("score", model, path, "-o", path.parent / "scores.csv", *words)
    assert code == 0, err
    return pd.read_csv(path.parent / "scores.csv")


def test_fit_needs_no_options_and_says_what_it_left_out(ebmood, model, tmp_path):
    table = write(plant(), tmp_path / "t.csv")
    code, out, err = ebmood("check", table, "--json")
    assert code == 0, err
    columns = {entry["column"]: entry for entry in json.loads(out)["columns"]}
    kinds = {name: entry["kind"] for name, entry in columns.items()}
    assert kinds == {
        "row": "row counter",
        "order_id": "id",
        "measured": "date or time",
        "flow": "number",
        "power": "number",
        "site": "category",
        "valve_open": "yes/no",
        "firmware": "constant",
        "note": "free text",
    }
    code, out, err = ebmood("fit", table, "-o", tmp_path / "m")
    assert code == 0, err
    for words in ("row (row counter", "order_id (id", "firmware (constant, always 7)", "note (free text"):
        assert words in err
    assert "cycles of dates: measured (hour, weekday)" in err
    code, out, _ = ebmood("inspect", tmp_path / "m")
    assert "order_id (id" in out
    assert "measured (hour, weekday)" in out


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_all_formats_hold_the_same_values(ebmood, model, tmp_path, suffix):
    new = plant(90, seed=1)
    new.loc[3, "flow"] = np.nan
    new.loc[4, "site"] = None
    expected = scores_of(ebmood, model, write(new, tmp_path / "new.csv"))
    fitted = model
    if suffix == "semicolon.csv":  # numbers with decimal commas are read if the training table has them
        code, _, err = ebmood("fit", write(plant(), tmp_path / "train.semicolon.csv"), "-o", tmp_path / "m")
        assert code == 0, err
        fitted = tmp_path / "m"
    actual = scores_of(ebmood, fitted, write(new, tmp_path / f"new.{suffix}"))
    pd.testing.assert_frame_equal(actual, expected)


def test_partitions_and_swapped_columns_hold_the_same_values(ebmood, model, tmp_path):
    new = plant(80, seed=2).sort_values("site", kind="stable")
    expected = scores_of(ebmood, model, write(new, tmp_path / "new.csv"))
    for site, part in new.groupby("site"):
        folder = tmp_path / "hive" / f"site={site}"
        folder.mkdir(parents=True)
        part.drop(columns="site").to_parquet(folder / "part-0.parquet")
    pd.testing.assert_frame_equal(scores_of(ebmood, model, tmp_path / "hive"), expected)
    swapped = new[new.columns[::-1]]
    pd.testing.assert_frame_equal(scores_of(ebmood, model, write(swapped, tmp_path / "s.parquet")), expected)


def test_a_bad_row_keeps_its_place(ebmood, model, tmp_path):
    new = plant(1500, seed=3)
    expected = scores_of(ebmood, model, write(new, tmp_path / "new.csv"))
    bad = new.astype({"flow": object})
    bad.loc[700, "flow"] = "ERR"
    code, out, err = ebmood(
        "score", model, write(bad, tmp_path / "bad.csv"), "-o", tmp_path / "s.csv", "--keep", "row", "--json"
    )
    assert code == 0, err
    assert json.loads(out)["bad_rows"] == 1
    scores = pd.read_csv(tmp_path / "s.csv")
    assert len(scores) == len(new)
    assert scores["error"].dropna().to_dict() == {700: "column 'flow': 'ERR' is not a number"}
    assert scores.loc[700, ["score", "p_value", "flag"]].isna().all()
    others = scores.index != 700
    np.testing.assert_array_equal(scores["score"][others], expected["score"][others])
    assert scores["row"].tolist() == list(range(1500))


def test_too_many_bad_rows_are_an_error_without_output(ebmood, model, tmp_path):
    bad = plant(1500, seed=3).astype({"flow": object})
    bad.loc[[5, 700], "flow"] = "ERR"
    table = write(bad, tmp_path / "bad.csv")
    code, _, err = ebmood("score", model, table, "-o", tmp_path / "s.csv")
    assert code == 2
    assert "2 of 1500 rows cannot be read, more than 0.001 of them; the first: " in err
    assert "row 6, column 'flow': 'ERR' is not a number" in err
    assert not (tmp_path / "s.csv").exists()
    assert ebmood("score", model, table, "-o", tmp_path / "s.csv", "--max-bad", "0.01")[0] == 0
    code, _, err = ebmood("score", model, table, "-o", tmp_path / "f.csv", "--on-error", "fail")
    assert code == 2
    assert not (tmp_path / "f.csv").exists()
    lines = table.read_text().splitlines()
    lines[9] = "1,2"
    table.write_text("\n".join(lines))
    code, _, err = ebmood("score", model, table, "-o", tmp_path / "s.csv", "--max-bad", "0.01", "--json")
    assert code == 0, err
    assert len(pd.read_csv(tmp_path / "s.csv")) == 1500


def test_reasons_name_the_column_to_blame(ebmood, model, tmp_path):
    new = plant(400, seed=4)
    new["power"] = new["power"] * 0.6
    table = write(new, tmp_path / "new.csv")
    code, _, err = ebmood("score", model, table, "-o", tmp_path / "s.csv", "--reasons", "2")
    assert code == 0, err
    scores = pd.read_csv(tmp_path / "s.csv")
    flagged = scores[scores["flag"]]
    assert len(flagged) > 100
    assert flagged["reasons"].str.contains("power|flow").mean() > 0.9
    assert scores.loc[~scores["flag"], "reasons"].isna().all()
    assert "columns that explain flagged rows best" in err
    assert "are expected; with a usual value of 'power'" in err


def test_the_notes_name_what_is_new(ebmood, model, tmp_path):
    new = plant(100, seed=5)
    new.loc[:9, "flow"] = np.nan
    new.loc[:4, "site"] = "west"
    new.loc[:2, "firmware"] = 8
    code, out, err = ebmood(
        "score", model, write(new, tmp_path / "new.csv"), "-o", tmp_path / "s.csv", "--json"
    )
    assert code == 0, err
    notes = json.loads(out)
    assert notes["new_gaps"] == {"flow": 10}
    assert notes["unseen"] == {"site": {"west": 5}}
    assert notes["moved"] == {"firmware": {"8": 3}}
    code, _, err = ebmood("score", model, tmp_path / "new.csv", "-o", tmp_path / "s.csv")
    for words in ("flow (10)", "site = 'west' (5)", "firmware = '8' (3)"):
        assert words in err


def test_few_calibration_rows_are_mentioned(ebmood, tmp_path):
    table = write(plant(120), tmp_path / "t.csv")
    assert "with 24 calibration rows" in ebmood("fit", table, "-o", tmp_path / "m")[2]
    assert "calibration rows," not in ebmood("fit", table, "-o", tmp_path / "m", "--calibration", "loo")[2]


def test_bad_rows_of_a_feed_are_counted(ebmood, model, tmp_path):
    feed = plant(80, seed=8).astype({"flow": object})
    feed.loc[[5, 50], "flow"] = "ERR"
    code, out, err = ebmood("monitor", model, write(feed, tmp_path / "feed.csv"), "--json")
    assert code in (0, 1), err
    watched = json.loads(out)
    assert watched["bad_rows"] == 2
    assert "row 6, column 'flow': 'ERR' is not a number" in watched["first_bad_row"]


def test_renamed_columns_and_other_formats_are_explained(ebmood, model, tmp_path):
    upper = plant(50, seed=9).rename(columns=str.upper)
    code, _, err = ebmood("score", model, write(upper, tmp_path / "u.csv"), "-o", tmp_path / "s.csv")
    assert code == 2
    assert "is it 'MEASURED'?" in err
    comma = write(plant(50, seed=9), tmp_path / "c.semicolon.csv")
    code, _, err = ebmood("score", model, comma, "-o", tmp_path / "s.csv")
    assert code == 2
    assert "none of 50 rows can be read" in err
    assert "write this table with decimal points, as the training table" in err


def test_control_characters_of_names_and_cells_are_not_obeyed(ebmood, tmp_path):
    table = (
        plant()
        .rename(columns={"flow": "flow\x1b[31m", "power": "po\x9bwer"})
        .astype({"flow\x1b[31m": object})
    )
    table.loc[:, "site"] = "Oslo\x1b]0;owned\x07"
    path = write(table, tmp_path / "t.csv")
    _, out, err = ebmood("check", path)
    printed = out + err
    printed += "".join(ebmood("fit", path, "-o", tmp_path / "m")[1:])
    printed += "".join(ebmood("inspect", tmp_path / "m")[1:])
    printed += "".join(ebmood("fit", path, "-o", tmp_path / "m", "--date", "flow*")[1:])
    assert r"flow\x1b[31m" in printed
    assert r"po\x9bwer" in printed
    assert all(character.isprintable() or character == "\n" for character in printed)


def test_one_thing_is_in_the_singular(ebmood, tmp_path):
    (tmp_path / "t.csv").write_text("a\n" + "".join(f"{i / 7:.3f}\n" for i in range(40)) + "x\n")
    assert (
        "1 odd cell\n"
        in "\n".join(map(str.rstrip, ebmood("check", tmp_path / "t.csv")[1].splitlines())) + "\n"
    )
    options = ("--missing", "x", "--calibration", "1", "--alpha", "0.5")
    code, _, err = ebmood("fit", tmp_path / "t.csv", "-o", tmp_path / "m", *options)
    assert code == 0, err
    assert "fitted on 40 rows of 1 feature, calibrated on 1 more" in err
    assert "with 1 calibration row, single strange ones" in err


@pytest.mark.filterwarnings("default:.*--missing -99")
def test_a_fit_tells_what_is_a_guess(ebmood, tmp_path):
    rng = np.random.default_rng(0)
    rows = ["day;weight;a;b;c\n"]
    for i in range(120):
        code = "-999" if i % 9 == 0 else f"{rng.normal():.3f}"
        day = f"{1 + i % 12:02}/{1 + i // 7 % 12:02}/{2019 + i % 4}"
        rows.append(f"{day};{rng.uniform(1, 90):.3f};{code};{code};{rng.integers(1, 900)}\n")
    (tmp_path / "t.csv").write_text("".join(rows))
    options = (tmp_path / "t.csv", "-o", tmp_path / "m", "--calibration", "loo", "--missing", "-99")
    code, _, err = ebmood("fit", *options)
    assert "--missing -99: no cell that is read holds it" in err
    assert code == 0, err
    doubts = json.loads(ebmood("fit", *options, "--json")[1])["doubts"]
    assert len(doubts) == 3
    assert all(doubt in err.splitlines() for doubt in doubts)
    assert "column 'a': -999 in 11.7% of the rows may mean missing, see --missing" in doubts
    assert "column 'day': day before month, which is a guess" in doubts
    shown = ebmood("check", tmp_path / "t.csv")[1]
    assert all(doubt.split(": ")[1] in shown for doubt in doubts)


def test_times_with_a_new_offset_give_a_note(ebmood, tmp_path):
    times = pd.date_range("2024-03-01", periods=1400, freq="h", tz="Europe/Berlin")
    noise = np.random.default_rng(0).normal(size=len(times))
    table = pd.DataFrame({"t": [time.isoformat() for time in times], "v": np.sin(times.hour / 4) + noise})
    path = write(table, tmp_path / "t.csv")
    code, _, err = ebmood("fit", path, "-o", tmp_path / "m", "--speed", "fast")
    assert code == 0, err
    table["t"] = [time.tz_convert("UTC").isoformat().replace("+00:00", "Z") for time in times]
    new = write(table[:30], tmp_path / "new.csv")
    line = "another offset of times, whose local clock is read: t = Z, in the training rows +01:00 and +02:00 (30)"
    assert line in ebmood("score", tmp_path / "m", new, "-o", tmp_path / "s.csv")[2].splitlines()
    out = ebmood("score", tmp_path / "m", new, "-o", tmp_path / "s.csv", "--json")[1]
    assert json.loads(out)["new_offsets"] == {"t": {"Z": 30}}
    assert "another offset" not in ebmood("score", tmp_path / "m", path, "-o", tmp_path / "s.csv")[2]


def test_all_odd_columns_are_named_at_once(ebmood, tmp_path):
    table = plant().astype({"flow": object, "power": object})
    table.loc[17, "flow"], table.loc[5, "power"] = "ERR", "n.d."
    path = write(table, tmp_path / "t.csv")
    code, _, err = ebmood("check", path)
    assert code == 2
    assert "row 18, column 'flow': 'ERR' is not a number" in err
    assert "row 6, column 'power': 'n.d.' is not a number" in err
    code, _, err = ebmood("fit", path, "-o", tmp_path / "m")
    assert code == 2
    assert "one more column has odd cells" in err
    assert "--category" not in err
    assert ebmood("fit", path, "-o", tmp_path / "m", "--missing", "ERR", "--missing", "n.d.")[0] == 0


def test_a_carriage_return_in_a_kept_column_stays_one_row(ebmood, model, tmp_path):
    new = plant(50, seed=6)
    new["comment"] = ["re\rread", 'a "quoted"\n text'] * 25
    parquet.write_table(pyarrow.Table.from_pandas(new), tmp_path / "new.parquet")
    scores = scores_of(ebmood, model, tmp_path / "new.parquet", "--keep", "comment")
    assert len(scores) == 50
    assert scores["comment"].str.replace("\n", "\r").tolist() == [
        text.replace("\n", "\r") for text in new["comment"]
    ]


CELLS = st.one_of(
    st.floats(-1e6, 1e6).map(lambda x: f"{x:.4g}"),
    st.sampled_from(
        ["", "NA", "?", "true", "no", "a", "b", "Oslo", "2024-01-31", "12:30", "1,5", "3 kg", "0.50"]
    ),
)


@st.composite
def frames(draw) -> pd.DataFrame:
    columns = {}
    for number in range(draw(st.integers(1, 4))):
        cells = draw(st.lists(CELLS, min_size=1, max_size=6))
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        columns[f"c{number}"] = rng.choice(cells, 60)
    columns["x"] = np.random.default_rng(1).normal(size=60).round(4).astype(str)
    return pd.DataFrame(columns)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(table=frames(), new=frames(), suffix=st.sampled_from(["csv", "parquet", "jsonl"]))
def test_rows_out_equal_rows_in_for_any_mixed_table(table, new, suffix):
    new = new.reindex(columns=table.columns, fill_value="a")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder)
        code, _, err = run(
            patch, "fit", write(table, path / "t.csv"), "-o", path / "m", "--calibration", "19"
        )
        assert "Traceback" not in err
        if code:
            assert code == 2
            return
        file = write(new, path / f"new.{suffix}")
        code, _, err = run(patch, "score", path / "m", file, "-o", path / "s.csv", "--max-bad", "1")
        assert code == 0, err
        scores = pd.read_csv(path / "s.csv")
        assert len(scores) == len(new)
        assert (np.isfinite(scores["score"]) == scores["error"].isna()).all()
        code, out, err = run(patch, "monitor", path / "m", file, "--json")
        assert code in (0, 1), err
        assert json.loads(out)["rows"] == len(new)


def test_a_column_without_a_name_is_shown(tmp_path):
    table = plant().drop(columns="row").reset_index()
    table.rename(columns={"index": ""}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        code, _, err = run(patch, "fit", tmp_path / "t.csv", "-o", tmp_path / "m", "--speed", "fast")
        assert code == 0
        assert "left out: '' (row counter, grows by 1 from row to row)" in err
        assert "'' (row counter" in run(patch, "inspect", tmp_path / "m")[1]
