import numpy as np
import pandas as pd
import pytest
from helpers.quick_energy import QUICK

from ebmood import EbmoodError, EnergyDetector
from ebmood.detector.io.open_input import open_table
from ebmood.detector.preparation import training_table
from ebmood.detector.raw.saved_detector import load_saved_detector, read_all_rows, score_input
from ebmood.detector.raw.table_detector import TableDetector

ROWS = np.random.default_rng(0).normal(size=(150, 2))


@pytest.fixture
def table(tmp_path):
    pd.DataFrame(ROWS, columns=["a", "b"]).to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def scores_of(detector, table, **options) -> np.ndarray:
    return np.concatenate([batch.scores for batch in score_input(detector, open_table(table), **options)])


def test_scores_are_those_of_the_estimator(table, tmp_path):
    stages = []
    detector = TableDetector.fit(
        EnergyDetector(energy=QUICK, random_state=0), open_table(table), progress=lambda *p: stages.append(p)
    )
    assert list(dict.fromkeys(stage for stage, _ in stages)) == [
        "reading",
        "looking at the columns",
        "fitting",
        "comparing the last rows with the first ones",
    ]
    expected = detector.estimator.score_samples(pd.DataFrame(ROWS, columns=["a", "b"]))
    np.testing.assert_array_equal(scores_of(detector, table), expected)
    detector.save(tmp_path / "model")
    np.testing.assert_array_equal(scores_of(load_saved_detector(tmp_path / "model"), table), expected)


def test_an_estimator_without_column_names_scores_tables_with_as_many_columns(table, tmp_path):
    estimator = EnergyDetector(energy=QUICK, random_state=0).fit(ROWS)
    estimator.save(tmp_path / "model")
    detector = load_saved_detector(tmp_path / "model")
    np.testing.assert_array_equal(scores_of(detector, table), estimator.score_samples(ROWS))
    rows, names = read_all_rows(detector, open_table(table))
    np.testing.assert_array_equal(detector.estimator.score_samples(rows), estimator.score_samples(ROWS))
    assert names == ()
    with pytest.raises(EbmoodError, match="1 column, but the detector was fitted on 2 without names"):
        scores_of(detector, table, drop=["a"])


def test_a_detector_of_images_is_not_a_detector_of_tables(tmp_path):
    images = np.random.default_rng(0).random((100, 1, 3, 3))
    EnergyDetector(energy=QUICK, random_state=0).fit(images).save(tmp_path / "model")
    with pytest.raises(EbmoodError, match=r"fitted on inputs of shape \(1, 3, 3\), not on a table"):
        load_saved_detector(tmp_path / "model")


@pytest.mark.filterwarnings("ignore:.*random sample", "ignore::ebmood.core.errors.SelfTestWarning")
def test_row_numbers_of_a_sample_are_those_of_the_table(table, monkeypatch):
    rows = ROWS.copy()
    rows[::3] += 100 * np.random.default_rng(1).normal(size=rows[::3].shape)
    pd.DataFrame(rows, columns=["a", "b"]).to_csv(table, index=False)
    monkeypatch.setattr(training_table, "row_limit", lambda columns: 80)
    estimator = EnergyDetector(energy=QUICK, random_state=0, contamination=0.1, calibration=19)
    TableDetector.fit(estimator, open_table(table))
    assert estimator.history_[0].rows < 80
    assert len(estimator.left_out_rows_) == estimator.n_left_out_rows_ > 0
    assert not (estimator.left_out_rows_ % 3).any()
    assert max(estimator.left_out_rows_) >= 80
