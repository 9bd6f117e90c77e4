import json
import re

from helpers.cell_tables import COLUMNS


def test_the_training_data_and_the_preparation_are_shown(ebmood, model):
    code, out, _ = ebmood("inspect", model, "--json")
    content = json.loads(out)
    assert code == 0
    assert (content["rows"], content["training_rows"], content["calibration_rows"]) == (250, 200, 50)
    assert content["features"] == [*COLUMNS, "site"]
    columns = content["preparation"]["columns"]
    assert [column["name"] for column in columns] == content["features"]
    assert [column["kind"] for column in columns] == ["number"] * 3 + ["category"]
    [left_out] = content["preparation"]["left_out"]
    assert left_out == {"name": "id", "reason": "dropped by an option", "constant": None, "spellings": []}
    assert content["categories"] == {"site": ["Bergen", "Oslo"]}
    assert content["gaps"] == ["mean texture"]
    assert content["memory"] == [200]
    assert content["views"] == ["min-max", "robust", "normal-scores", "whitened-normal-scores"]
    assert content["residuals"]
    code, out, _ = ebmood("inspect", model)
    assert code == 0
    assert "200 rows, calibrated on 50 more" in out
    lines = dict(
        re.split(" {2,}", line, maxsplit=1) for line in map(str.strip, out.splitlines()) if "  " in line
    )
    assert lines["categories"] == "site (2 levels)"
    assert lines["with gaps"] == "mean texture"
    assert lines["left out"] == "id (dropped by an option)"
    assert lines["memory"] == "holds 200 training rows and 50 calibration rows"
    assert f"{content['false_alarm_rate']:.2%} of normal rows on average" in out


def test_a_folder_without_a_detector_is_one_line(ebmood, tmp_path):
    code, out, err = ebmood("inspect", tmp_path)
    assert (code, out) == (2, "")
    assert "not a saved detector (no detector.json in it)" in err
    assert len(err.splitlines()) == 1


def test_a_file_is_no_folder_of_a_detector(ebmood, tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    code, _, err = ebmood("inspect", tmp_path / "t.csv")
    assert code == 2
    assert (
        "t.csv: not a saved detector (it is a file, not a folder); give the folder of a saved detector" in err
    )
