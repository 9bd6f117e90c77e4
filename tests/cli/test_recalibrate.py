import json
import shutil

import numpy as np
import pandas as pd
import pytest
from helpers.lines import NOISE, draw_lines

from ebmood import EnergyDetector, load

pytestmark = pytest.mark.filterwarnings("ignore::ebmood.core.errors.SelfTestWarning")


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """A folder with tables of three lines."""
    folder, rng = tmp_path_factory.mktemp("lines"), np.random.default_rng(0)
    for name, rows in (("train", 1500), ("new", 1200), ("later", 800)):
        draw_lines(rows, rng).to_csv(folder / f"{name}.csv", index=False)
    return folder


def test_the_detector_is_replaced_and_keeps_everything_else(ebmood, model, tables, tmp_path):
    shutil.copytree(model, tmp_path / "m")
    before = load(model).estimator
    code, out, err = ebmood("recalibrate", tmp_path / "m", tables / "in.csv", "--json")
    assert code == 0, err
    after, result = load(tmp_path / "m").estimator, json.loads(out)
    rows = len(pd.read_csv(tables / "in.csv"))
    assert result["calibration_rows"] == len(after.calibration_scores_) == rows
    assert (result["offset_before"], result["offset"]) == (before.offset_, after.offset_)
    assert result["false_alarm_rate"] == after.false_alarm_rate_
    assert after.notes_ == before.notes_
    assert [event.what for event in after.history_] == ["fit", "recalibrate"]
    code, out, _ = ebmood("inspect", tmp_path / "m")
    assert f"recalibrate: {rows} rows" in out
    code, out, _ = ebmood("score", tmp_path / "m", tables / "in.csv", "-o", tmp_path / "s.csv")
    p = pd.read_csv(tmp_path / "s.csv")["p_value"]
    np.testing.assert_allclose(np.sort(p), np.sort((1 + np.searchsorted(
        after.calibration_scores_, after.calibration_scores_, "right")) / (1 + rows)))  # fmt: skip


def test_another_folder_leaves_the_detector_unchanged(ebmood, model, tables, tmp_path):
    before = (model / "detector.json").read_bytes()
    code, _, err = ebmood("recalibrate", model, tables / "in.csv", "-o", tmp_path / "new")
    assert code == 0, err
    assert (model / "detector.json").read_bytes() == before
    assert load(tmp_path / "new").estimator.history_[-1].what == "recalibrate"
    assert f"(before: {load(model).estimator.offset_:.6g})" in err


def test_a_table_that_cannot_be_used_changes_nothing(ebmood, model, tables, tmp_path):
    shutil.copytree(model, tmp_path / "m")
    before = (tmp_path / "m" / "detector.json").read_bytes()
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    code, out, err = ebmood("recalibrate", tmp_path / "m", tmp_path / "t.csv")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "no column 'mean radius'" in err
    assert (tmp_path / "m" / "detector.json").read_bytes() == before
    code, _, err = ebmood("recalibrate", tmp_path / "m", tables / "in.csv", "-o", tmp_path / "t.csv")
    assert code == 2
    assert "is a file" in err


def test_segments_are_calibrated_scored_and_shown(ebmood, lines, tmp_path):
    code, _, err = ebmood("fit", lines / "train.csv", "-o", tmp_path / "m", "--segment", "line")
    assert code == 0, err
    for line in NOISE:
        assert f"segment {line}: " in err
    detector = load(tmp_path / "m").estimator
    code, out, _ = ebmood("inspect", tmp_path / "m", "--json")
    content = json.loads(out)
    assert content["segment"] == "line"
    assert content["segments"] == [segment.model_dump(mode="json") for segment in detector.segments_]
    code, _, err = ebmood("score", tmp_path / "m", lines / "new.csv", "-o", tmp_path / "s.csv")
    assert code == 0, err
    new, scores = pd.read_csv(lines / "new.csv"), pd.read_csv(tmp_path / "s.csv")
    np.testing.assert_allclose(scores["p_value"], detector.p_values(new), rtol=1e-12)
    np.testing.assert_array_equal(scores["flag"], detector.predict(new) == -1)
    code, out, err = ebmood(
        "evaluate", tmp_path / "m", "--in", lines / "new.csv", "--out", lines / "later.csv", "--json"
    )
    assert code == 0, err
    flagged = json.loads(out)["in"]["segments"]
    for segment in detector.segments_:
        rows = (new["line"] == segment.name).to_numpy()
        assert flagged[segment.name]["rows"] == rows.sum()
        assert flagged[segment.name]["flagged"] == pytest.approx(scores["flag"][rows].mean())
        # The rate of one fit is Beta distributed, and the count is binomial given that rate.
        rate = segment.false_alarm_rate
        error = np.sqrt(rate * (1 - rate) * (1 / rows.sum() + 1 / (segment.calibration_rows + 2)))
        assert abs(scores["flag"][rows].mean() - rate) < 4 * error
    code, _, err = ebmood("recalibrate", tmp_path / "m", lines / "later.csv")
    assert code == 0, err
    assert "segment noisy: " in err


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.CalibrationWarning")
def test_pooled_segments_and_missing_columns_are_named(ebmood, lines, tmp_path):
    frame = pd.read_csv(lines / "train.csv")
    frame.loc[:39, "line"] = "rare"
    frame.to_csv(tmp_path / "t.csv", index=False)
    code, _, err = ebmood("fit", tmp_path / "t.csv", "-o", tmp_path / "m", "--segment", "line")
    assert code == 0, err
    assert "calibrated with all rows: rare (8)" in err
    code, _, err = ebmood("fit", tmp_path / "t.csv", "-o", tmp_path / "n", "--segment", "site")
    assert code == 2
    assert "--segment site: no such column" in err
    assert not (tmp_path / "n").exists()


def test_a_detector_with_weights_cannot_score_a_file(ebmood, tables, model, tmp_path):
    from ebmood.detector.raw.table_detector import TableDetector

    detector = TableDetector.load(model)
    rows = pd.read_csv(tables / "in.csv")[list(detector.estimator.feature_names_in_)]
    detector.estimator.recalibrate(rows, weights=np.ones(len(rows)))
    detector.save(tmp_path / "m")
    assert isinstance(detector.estimator, EnergyDetector)
    code, _, err = ebmood("score", tmp_path / "m", tables / "in.csv", "-o", tmp_path / "s.csv")
    assert code == 2
    assert "recalibrate(X) without weights" in err
    assert not (tmp_path / "s.csv").exists()


def test_a_detector_with_classes_is_refused(ebmood, tables, tmp_path):
    options = ("--label-column", "site", "--supervised", "--drop", "id")
    assert ebmood("fit", tables / "fit.csv", "-o", tmp_path / "m", *options)[0] == 0
    before = (tmp_path / "m" / "detector.json").read_bytes()
    code, _, err = ebmood("recalibrate", tmp_path / "m", tables / "in.csv")
    assert code == 2
    assert "fitted with classes" in err
    assert (tmp_path / "m" / "detector.json").read_bytes() == before


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.CalibrationWarning")
def test_too_few_rows_say_that_no_row_is_flagged(ebmood, model, tables, tmp_path):
    pd.read_csv(tables / "in.csv")[:5].to_csv(tmp_path / "few.csv", index=False)
    code, _, err = ebmood("recalibrate", model, tmp_path / "few.csv", "-o", tmp_path / "new")
    assert code == 0
    assert "calibrated on 5 rows; no rows are flagged (before: " in err
