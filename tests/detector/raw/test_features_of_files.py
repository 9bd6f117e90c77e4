"""Features in arrays and in columns of lists have the scores of `EnergyDetector.fit` on the same array."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from helpers.feature_tables import features, write_arrays, write_lists
from helpers.quick_energy import QUICK
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from pyarrow import parquet

import ebmood
from ebmood import EbmoodError, EnergyDetector, InputError
from ebmood.detector.io import array_stream, jsonl_stream, parquet_stream
from ebmood.detector.io.open_input import open_table
from ebmood.detector.preparation import VectorColumn
from ebmood.detector.preparation.choices import Choices
from ebmood.detector.raw.batch_notes import BatchNotes
from ebmood.detector.raw.saved_detector import load_saved_detector, score_input
from ebmood.detector.raw.score_options import ScoreOptions
from ebmood.detector.raw.table_detector import TableDetector

WIDTH = 70
TRAIN, NEW = features(160, WIDTH, 0), features(40, WIDTH, 1)
NEW[5] += 30

pytestmark = pytest.mark.filterwarnings("ignore::ebmood.core.errors.SelfTestWarning")


def fit(path, **choices) -> TableDetector:
    estimator = EnergyDetector(energy=QUICK, random_state=0)
    return TableDetector.fit(estimator, open_table(path), Choices(**choices))


def scores_of(detector, path, **options) -> np.ndarray:
    return np.concatenate([batch.scores for batch in score_input(detector, open_table(path), **options)])


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    return EnergyDetector(energy=QUICK, random_state=0).fit(TRAIN).score_samples(NEW)


def test_every_file_has_the_scores_of_the_array(tmp_path, expected, monkeypatch):
    for module, name in (
        (array_stream, "CHUNK_CELLS"), (parquet_stream, "CHUNK_CELLS"), (jsonl_stream, "CHUNK_ROWS"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, 37)
    for write in (write_arrays, write_lists):
        fitted, new = write(tmp_path, "fit", TRAIN), write(tmp_path, "new", NEW)
        detectors = [fit(path) for path in fitted]
        for path, detector in zip(fitted, detectors, strict=True):
            assert detector.estimator.n_features_in_ == WIDTH
            np.testing.assert_array_equal(scores_of(detector, new[0]), expected, err_msg=str(path))
        for path in new[1:]:
            np.testing.assert_array_equal(scores_of(detectors[0], path), expected, err_msg=str(path))


def test_default_energies_of_an_array_and_a_file_are_equal(tmp_path):
    [path, *_] = write_arrays(tmp_path, "fit", TRAIN)
    [new, *_] = write_arrays(tmp_path, "new", NEW)
    detector = TableDetector.fit(EnergyDetector(random_state=3), open_table(path))
    in_python = EnergyDetector(random_state=3).fit(TRAIN)
    np.testing.assert_array_equal(scores_of(detector, new), in_python.score_samples(NEW))
    np.testing.assert_array_equal(detector.estimator.calibration_scores_, in_python.calibration_scores_)


def test_an_estimator_that_was_saved_in_python_scores_array_files(tmp_path, expected):
    EnergyDetector(energy=QUICK, random_state=0).fit(TRAIN).save(tmp_path / "model")
    for path in write_arrays(tmp_path, "new", NEW):
        np.testing.assert_array_equal(scores_of(load_saved_detector(tmp_path / "model"), path), expected)


def test_a_saved_detector_of_an_array_takes_arrays_and_frames(tmp_path, expected):
    fit(write_arrays(tmp_path, "fit", TRAIN)[0]).save(tmp_path / "model")
    loaded = ebmood.load(tmp_path / "model")
    frame = pd.DataFrame(NEW, columns=[f"x{k}" for k in range(WIDTH)])
    for X in (NEW, NEW.astype(float), torch.from_numpy(NEW), NEW.tolist(), frame, frame.to_dict("records")):
        np.testing.assert_array_equal(loaded.score_samples(X), expected)
    assert loaded.predict(NEW)[5] == -1
    with pytest.raises(InputError, match=f"no column 'x{WIDTH - 1}', which the detector was fitted on"):
        loaded.score_samples(NEW[:, :-1])
    with pytest.raises(InputError, match="row 0, column 3: inf, which is infinite"):
        loaded.score_samples(np.where(np.arange(WIDTH) == 3, np.inf, NEW))


def test_a_saved_detector_of_lists_takes_frames_with_lists(tmp_path, expected):
    fit(write_lists(tmp_path, "fit", TRAIN)[0]).save(tmp_path / "model")
    loaded = ebmood.load(tmp_path / "model")
    lists = NEW.astype(float).tolist()
    frames = (
        pd.DataFrame({"e": lists}),
        pd.DataFrame({"e": list(NEW)}),
        pl.DataFrame({"e": lists}),
        pl.DataFrame({"e": NEW}),  # a column of arrays
        pa.table({"e": lists}),
        [{"e": row} for row in lists],
        [{"e": row} for row in NEW],
    )
    for X in frames:
        np.testing.assert_array_equal(loaded.score_samples(X), expected)
    assert loaded.feature_contributions(frames[0][:2]).shape == (2, WIDTH)
    with pytest.raises(InputError, match=r"row 1, column 'e': a list of 2 numbers, but those of .* have 70"):
        loaded.score_samples([{"e": lists[0]}, {"e": [1.0, 2.0]}])
    with pytest.raises(InputError, match="neither a data frame nor a list of mappings"):
        loaded.score_samples(NEW)
    mixed = [{"e": lists[0]}, {"e": "broken"}, {"e": NEW[2]}, {"e": 3.5}]
    batch = loaded.score_batch(mixed, mark_bad_rows=True)
    np.testing.assert_array_equal(batch.scores[[0, 2]], expected[[0, 2]])
    assert sorted(batch.errors or ()) == [1, 3]


def test_lists_beside_other_columns_are_features_like_them(tmp_path):
    frame = pd.DataFrame({"flow": TRAIN[:, 0], "e": list(TRAIN[:, 3:6]), "site": ["Oslo", "Bergen"] * 80})
    frame.to_parquet(tmp_path / "t.parquet")
    detector = fit(tmp_path / "t.parquet")
    assert detector.preparation is not None
    assert detector.preparation.features == ("flow", "e[0]", "e[1]", "e[2]", "site")
    table = pa.table(
        {"flow": TRAIN[:, 0], **{f"e[{k}]": TRAIN[:, 3 + k] for k in range(3)}, "site": frame["site"]}
    )
    in_python = EnergyDetector(energy=QUICK, random_state=0).fit(table)
    np.testing.assert_array_equal(scores_of(detector, tmp_path / "t.parquet"), in_python.score_samples(table))
    dropped = fit(tmp_path / "t.parquet", drop=["e"])
    assert dropped.preparation is not None
    assert dropped.preparation.features == ("flow", "site")
    assert len(scores_of(dropped, tmp_path / "t.parquet")) == 160


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_bad_lists_are_bad_rows_and_null_is_a_gap(tmp_path, expected, suffix):
    detector = fit(write_lists(tmp_path, "fit", TRAIN)[0])
    lists = NEW.tolist()
    lists[1], lists[2], lists[3] = [1.0, 2.0], None, [float("inf"), *lists[3][1:]]
    path = tmp_path / f"bad{suffix}"
    if suffix == ".parquet":
        parquet.write_table(pa.table({"e": lists}), path)
    else:
        path.write_text("".join(json.dumps({"e": row}) + "\n" for row in lists))
    with pytest.raises(EbmoodError, match=r"row 2, column 'e': a list of 2 numbers, but those of .* have 70"):
        scores_of(detector, path)
    notes = BatchNotes()
    scores = scores_of(detector, path, options=ScoreOptions(True, 1.0), notes=notes)
    others = [0, *range(4, 40)]
    np.testing.assert_array_equal(scores[others], expected[others])
    assert np.isnan(scores[[1, 3]]).all()
    assert notes.bad_rows == 2
    assert "row 4, column 'e': at [0], inf is infinite" in notes.bad[1]
    assert notes.new_gaps == {"e": 1}
    assert scores[2] < expected[others].min()  # the training rows have no gaps


def test_lists_of_several_lengths_are_left_out_and_may_stay_in_new_tables(tmp_path):
    frame = pd.DataFrame({"flow": TRAIN[:, 0], "e": [row[: 2 + k % 2] for k, row in enumerate(TRAIN)]})
    frame.to_parquet(tmp_path / "t.parquet")
    detector = fit(tmp_path / "t.parquet")
    assert detector.preparation is not None
    assert detector.preparation.features == ("flow",)
    [left_out] = detector.preparation.left_out
    assert left_out.reason == "list, of 2 to 3 numbers, and only lists of one length are read"
    assert len(scores_of(detector, tmp_path / "t.parquet")) == 160


def test_files_of_a_folder_may_hold_lists_of_several_types(tmp_path, expected):
    folder = tmp_path / "parts"
    folder.mkdir()
    whole = pa.array(TRAIN.tolist(), pa.list_(pa.float64(), WIDTH))
    for number, cells in enumerate(
        (
            whole[:50].cast(pa.list_(pa.float32(), WIDTH)),
            whole[50:100],
            whole[100:].cast(pa.large_list(pa.float64())),
        )
    ):
        parquet.write_table(pa.table({"e": cells}), folder / f"{number}.parquet")
    detector = fit(folder)
    np.testing.assert_array_equal(scores_of(detector, write_lists(tmp_path, "new", NEW)[0]), expected)


def test_infinite_numbers_of_a_training_table_are_refused_with_their_row(tmp_path):
    bad = TRAIN.copy()
    bad[7, 3] = np.inf
    cells = {write_arrays: r"'x3': inf", write_lists: r"'e': at \[3\], inf"}
    for write, cell in cells.items():
        path = write(tmp_path, "t", bad)[0]
        with pytest.raises(EbmoodError, match=f"row 8, column {cell} is infinite"):
            fit(path)


def test_a_name_that_two_features_have_is_refused(tmp_path):
    parquet.write_table(pa.table({"e": TRAIN[:, :2].tolist(), "e[1]": TRAIN[:, 3]}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"two features are called 'e\[1\]'; rename a column"):
        fit(tmp_path / "t.parquet")


def test_the_preparation_of_lists_is_saved(tmp_path):
    values = TRAIN.copy()
    values[:, 4] = np.nan
    path = write_lists(tmp_path, "t", values)[0]
    detector = fit(path)
    detector.save(tmp_path / "model")
    loaded = load_saved_detector(tmp_path / "model")
    assert isinstance(loaded, TableDetector)
    assert loaded.preparation == detector.preparation
    assert loaded.preparation is not None
    assert loaded.preparation.columns == (VectorColumn(name="e", length=WIDTH, empty=(4,)),)
    np.testing.assert_array_equal(scores_of(loaded, path), scores_of(detector, path))


VALUES = st.sampled_from([0.0, 1.0, -3.5, 1e6, 1e99, 1e101, 2.0**60, np.nan, np.inf]) | st.floats(-10, 10)


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.CalibrationWarning")
@settings(max_examples=15, deadline=None)
@given(
    values=npst.arrays(
        st.sampled_from([np.float64, np.float32]),
        st.tuples(st.integers(1, 12), st.integers(1, 4)),
        elements=st.floats(-10, 10, width=32),
    ),
    cells=st.lists(st.tuples(st.integers(0, 47), VALUES), max_size=4),
    repeats=st.integers(1, 3),
)
def test_any_array_is_scored_or_refused_as_in_python(values, cells, repeats):
    for position, value in cells:
        with np.errstate(over="ignore"):
            values.flat[position % values.size] = value
    values = np.tile(values, (repeats, 1))
    if np.isnan(values).all(axis=0).any():
        return  # such a column is left out of a file, and refused in Python
    try:
        expected = EnergyDetector(energy=QUICK, random_state=0).fit(values).score_samples(values)
    except InputError:
        expected = None
    with tempfile.TemporaryDirectory() as folder:
        for path in (write_arrays(Path(folder), "t", values)[0], write_lists(Path(folder), "t", values)[1]):
            try:
                scores = scores_of(fit(path), path)
            except InputError:
                scores = None
            assert (scores is None) == (expected is None)
            if scores is not None:
                np.testing.assert_array_equal(scores, expected)


def test_a_gap_in_a_date_of_several_features_is_one_gap(tmp_path):
    times = pd.date_range("2024-01-01", periods=600, freq="h")
    frame = pd.DataFrame({"t": times, "flow": np.random.default_rng(0).normal(size=600)})
    frame.to_parquet(tmp_path / "t.parquet")
    detector = fit(tmp_path / "t.parquet")
    assert detector.preparation is not None
    assert len(detector.preparation.features) > 2
    frame.loc[3, "t"] = pd.NaT
    frame.to_parquet(tmp_path / "new.parquet")
    notes = BatchNotes()
    scores_of(detector, tmp_path / "new.parquet", notes=notes)
    assert notes.new_gaps == {"t": 1}
