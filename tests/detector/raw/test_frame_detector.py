"""A detector that `ebmood fit` wrote scores data frames exactly as `ebmood score` scores files."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from helpers.pump_model import fit_pumps, pump_table
from helpers.run_cli import run
from pyarrow import parquet

import ebmood
from ebmood import EnergyDetector, InputError
from ebmood.detector import FrameDetector
from ebmood.detector.io.array_stream import ArrayStream
from ebmood.detector.raw.frame_detector import flags_at
from ebmood.detector.raw.table_detector import TableDetector


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return fit_pumps(tmp_path_factory.mktemp("pumps"))


@pytest.fixture(scope="module")
def detector(model) -> FrameDetector:
    loaded = ebmood.load(model)
    assert isinstance(loaded, FrameDetector)
    return loaded


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """New rows as CSV and as Parquet, with further levels, gaps and outliers."""
    folder = tmp_path_factory.mktemp("new")
    table = pump_table(300, 1)
    table.loc[:2, "site"] = "Atlantis"
    table.loc[3, "flow [m3/h]"] = 1e6
    table.to_csv(folder / "new.csv", index=False)
    table.to_parquet(folder / "new.parquet")
    return folder


def shell_scores(monkeypatch, model, table, *options) -> pd.DataFrame:
    out = table.with_suffix(".scores.parquet")
    code, _, err = run(monkeypatch, "score", model, table, "-o", out, *options)
    assert code == 0, err
    return pd.read_parquet(out)


READERS = [
    lambda folder: pd.read_csv(folder / "new.csv"),
    lambda folder: pd.read_csv(folder / "new.csv", dtype_backend="pyarrow"),
    lambda folder: pd.read_csv(folder / "new.csv", dtype=str),
    lambda folder: pd.read_csv(folder / "new.csv", parse_dates=["day"], index_col="id").astype(
        {"site": "category"}
    ),
    lambda folder: pl.read_csv(folder / "new.csv"),
    lambda folder: pl.read_csv(folder / "new.csv", try_parse_dates=True).with_columns(
        pl.col("site").cast(pl.Categorical)
    ),
    lambda folder: pd.read_parquet(folder / "new.parquet"),
    lambda folder: pl.read_parquet(folder / "new.parquet"),
    lambda folder: parquet.read_table(folder / "new.parquet"),
    lambda folder: parquet.read_table(folder / "new.parquet").combine_chunks().to_batches()[0],
    lambda folder: parquet.read_table(folder / "new.parquet").to_pylist(),
    lambda folder: pd.read_parquet(folder / "new.parquet").to_dict("records"),
    lambda folder: pd.read_parquet(folder / "new.parquet").astype(object),
]


@pytest.mark.parametrize("reader", READERS)
def test_scores_of_frames_equal_those_of_the_shell(monkeypatch, model, detector, files, reader):
    frame = reader(files)
    batch = detector.score_batch(frame)
    for name in ("new.csv", "new.parquet"):
        expected = shell_scores(monkeypatch, model, files / name)
        np.testing.assert_array_equal(batch.scores, expected["score"])
        np.testing.assert_array_equal(batch.p_values, expected["p_value"])
        np.testing.assert_array_equal(batch.flags, expected["flag"])
    np.testing.assert_array_equal(detector.predict(frame), np.where(batch.flags, -1, 1))
    np.testing.assert_array_equal(detector.p_values(frame), batch.p_values)
    np.testing.assert_array_equal(detector.score_samples(frame), batch.scores)


def test_columns_may_have_any_order_and_ignored_columns_may_be_missing(detector, files):
    frame = pd.read_parquet(files / "new.parquet")
    expected = detector.score_samples(frame)
    np.testing.assert_array_equal(detector.score_samples(frame[frame.columns[::-1]]), expected)
    np.testing.assert_array_equal(detector.score_samples(frame.drop(columns="id")), expected)
    np.testing.assert_array_equal(detector.score_samples(frame.set_index("id")), expected)


def test_a_level_for_one_call_equals_that_of_the_shell(monkeypatch, model, detector, files):
    frame = pd.read_parquet(files / "new.parquet")
    for alpha in (0.05, 0.1, 0.3):
        expected = shell_scores(monkeypatch, model, files / "new.parquet", "--alpha", alpha)["flag"]
        np.testing.assert_array_equal(detector.score_batch(frame, alpha=alpha).flags, expected)
        np.testing.assert_array_equal(detector.predict(frame, alpha) == -1, expected)
    with pytest.raises(InputError, match=r"alpha=1.5: .*below 1"):
        detector.predict(frame, alpha=1.5)


def test_flags_at_a_level_are_the_p_values_up_to_it():
    """The estimator compares scores with a threshold; both definitions agree for every level and every score."""
    rows = np.random.default_rng(0).normal(size=(100, 2))
    estimator = EnergyDetector(random_state=0, calibration=19).fit(rows)
    scores = np.concatenate([estimator.calibration_scores_, estimator.calibration_scores_ - 1e-6, [-9, 9]])
    for alpha in (0.05, 0.1, 0.15, 0.3, 1 / 3, 0.35, 0.95):
        batch = estimator.decide(scores, alpha=alpha)
        np.testing.assert_array_equal(flags_at(batch.p_values, alpha), batch.flags)


def test_one_row_has_the_score_that_it_has_among_others(detector, files):
    rows = parquet.read_table(files / "new.parquet").to_pylist()
    scores = detector.score_samples(rows)
    for number in (0, 3, 7, 250):
        present = {name: value for name, value in rows[number].items() if value is not None}
        assert detector.score_samples([rows[number]]) == scores[number]
        assert detector.score_samples([present]) == scores[number], "a column that is not there is missing"


def test_contributions_name_the_value_that_makes_a_row_strange(detector, files):
    frame = pd.read_parquet(files / "new.parquet")
    gains = detector.feature_contributions(frame.iloc[:5])
    labels = detector.estimator.column_labels()
    assert gains.shape == (5, len(labels))
    assert labels[int(gains[3].argmax())] == "flow [m3/h]"


def test_bad_rows_are_marked_with_their_reasons(detector):
    rows = pump_table(40, 2).to_dict("records")
    expected = detector.score_batch(rows, mark_bad_rows=True)
    assert expected.errors == {}
    for number in (0, 7, 8, 39):
        rows[number]["flow [m3/h]"] = "broken" if number % 2 else float("inf")
    batch = detector.score_batch(rows, alpha=0.2, reasons=1, mark_bad_rows=True)
    assert batch.errors == {
        number: f"column 'flow [m3/h]': {'inf is infinite' if number % 2 == 0 else repr('broken') + ' is not a number'}"
        for number in (0, 7, 8, 39)
    }
    good = [number for number in range(40) if number not in batch.errors]
    np.testing.assert_array_equal(batch.scores[good], expected.scores[good])
    assert np.isnan(batch.scores[list(batch.errors)]).all()
    assert not batch.flags[list(batch.errors)].any()
    with pytest.raises(InputError, match="X: row 0, column"):
        detector.score_samples(rows)


def test_errors_are_counted_over_all_chunks(detector, monkeypatch):
    monkeypatch.setattr("ebmood.detector.io.frame_stream.CHUNK_ROWS", 7)
    rows = pump_table(40, 2).to_dict("records")
    rows[20]["flow [m3/h]"] = "broken"
    assert list(detector.score_batch(rows, mark_bad_rows=True).errors) == [20]


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (pd.DataFrame({"a": [1]}), "no column 'flow .m3/h.', which the detector was fitted on"),
        (pump_table(3, 0).assign(other=1), r"column 'other' was not.*X.drop\(columns=\['other'\]\)"),
        (pump_table(0, 0), "0 rows"),
        ([], "0 rows and 0 columns"),
        ([[1.0, 2.0]], "neither a data frame nor a list of mappings"),
        ({"a": [1]}, "neither a data frame nor a list of mappings"),
        (np.ones((2, 6)), "neither a data frame nor a list of mappings"),
        (pd.DataFrame([[1, 2]]), "column name 0 is not text"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns are called 'a'"),
        (pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), "two columns are called 'a'"),
        ([{"flow [m3/h]": [1.0]}, {"flow [m3/h]": 2.0}], r"row 0, column 'flow \[m3/h\]': '\[1.0\]' is"),
    ],
)
def test_invalid_input_is_one_line_that_names_python(detector, X, message):
    with pytest.raises(InputError, match=message) as error:
        detector.score_samples(X)
    assert "\n" not in str(error.value)
    assert "--" not in str(error.value)


def test_a_detector_that_was_saved_in_python_is_loaded_as_an_estimator(tmp_path):
    table = pump_table(100, 0).drop(columns="id").astype({"code": str})
    EnergyDetector(random_state=0).fit(table).save(tmp_path / "model")
    assert isinstance(ebmood.load(tmp_path / "model"), EnergyDetector)


def test_a_detector_of_frames_is_updated_and_saved(model, tmp_path, monkeypatch):
    detector = ebmood.load(model)
    assert isinstance(detector, FrameDetector)
    before = detector.estimator.n_training_rows_
    detector.partial_fit(pump_table(200, 5)).recalibrate(pump_table(150, 6))
    assert detector.estimator.n_training_rows_ > before
    assert len(detector.estimator.calibration_scores_) == 150
    detector.save(tmp_path / "updated")
    new = pump_table(60, 7)
    new.to_parquet(tmp_path / "new.parquet")
    scores = shell_scores(monkeypatch, tmp_path / "updated", tmp_path / "new.parquet")
    np.testing.assert_array_equal(scores["score"], detector.score_samples(new))
    new.loc[:9, "flow [m3/h]"] = 1e6
    assert detector.select(new, fdr=0.2)[:10].all()


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.SelfTestWarning")
@pytest.mark.parametrize("options", [("--segment", "site"), ("--supervised", "--label-column", "site")])
def test_segments_are_returned_and_classes_are_recalibrated(tmp_path, monkeypatch, options):
    table, new = pump_table(300, 8).dropna(subset="site"), pump_table(150, 9).dropna(subset="site")
    table.to_parquet(tmp_path / "pumps.parquet")
    code, _, err = run(monkeypatch, "fit", tmp_path / "pumps.parquet", "-o", tmp_path / "model", *options)
    assert code == 0, err
    detector = ebmood.load(tmp_path / "model")
    if "--segment" in options:
        rows = detector.estimator.segments_of(detector.estimator._read(detector.prepare(new)).values)
        np.testing.assert_array_equal(detector.score_batch(new).segments, rows)
    else:
        detector.recalibrate(new.drop(columns="site"), new["site"])
        assert len(detector.estimator.calibration_scores_) == len(new)


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.SelfTestWarning")
def test_a_frame_detector_that_was_not_loaded_is_saved(model, tmp_path):
    loaded = ebmood.load(model)
    loaded.estimator.notes_ = {}  # as after a fit
    FrameDetector(loaded.table_detector).save(tmp_path / "model")
    again = ebmood.load(tmp_path / "model")
    assert isinstance(again, FrameDetector)
    new = pump_table(30, 4)
    np.testing.assert_array_equal(again.score_samples(new), loaded.score_samples(new))


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.SelfTestWarning")
def test_a_detector_of_an_array_is_saved_as_one_with_its_notes(tmp_path):
    estimator = EnergyDetector(random_state=0).fit(np.random.default_rng(0).normal(size=(100, 3)))
    estimator.save(tmp_path / "estimator", notes={"source": "draws"})
    named = FrameDetector.of_named_columns(TableDetector(ebmood.load(tmp_path / "estimator"), None))
    named.save(tmp_path / "named")
    loaded = ebmood.load(tmp_path / "named")
    assert isinstance(loaded, EnergyDetector)
    assert loaded.notes_["source"] == "draws"


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.SelfTestWarning")
def test_a_frame_without_names_is_refused_by_a_detector_of_an_array(tmp_path):
    rows = np.random.default_rng(0).normal(size=(100, 3))
    np.save(tmp_path / "x.npy", rows)
    estimator = EnergyDetector(random_state=0, speed="fast")
    detector = FrameDetector(TableDetector.fit(estimator, ArrayStream(tmp_path / "x.npy")))
    expected = detector.score_samples(rows)
    with pytest.raises(
        InputError, match=r"called 0, .* array; give X.to_numpy\(\), or call the columns x0 to x2"
    ):
        detector.score_samples(pd.DataFrame(rows))
    named = pd.DataFrame(rows, columns=["x0", "x1", "x2"])
    np.testing.assert_array_equal(detector.score_samples(named), expected)
    np.testing.assert_array_equal(detector.score_samples(pd.DataFrame(rows).to_numpy()), expected)


def test_the_representation_is_one_short_line(detector):
    rows, calibration = detector.estimator.n_training_rows_, len(detector.estimator.calibration_scores_)
    assert repr(detector) == (
        f"<FrameDetector of {len(detector.columns)} columns, fitted on {rows} rows and {calibration} calibration rows, "
        "alpha=0.05>"
    )
