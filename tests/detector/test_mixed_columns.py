"""Categories, booleans and gaps are part of the energy, and do not hide faults of numbers."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ebmood import EnergyDetector, InputError, load


def pumps(rng: np.random.Generator, count: int, fault: bool = False) -> pd.DataFrame:
    """Return a flow, a power that follows from it, and a kind of which two levels have 2 % of the rows each.

    A faulty pump needs more power for its flow.
    """
    flow = rng.uniform(10, 30, count)
    power = 2.5 * flow + rng.normal(0, 2, count) + (12 if fault else 0)
    kind = rng.choice(list("abc"), count, p=[0.96, 0.02, 0.02])
    return pd.DataFrame({"flow": flow, "power": power, "kind": kind, "open": rng.random(count) < 0.5})


def found(detector: EnergyDetector, frame: pd.DataFrame) -> float:
    return float((detector.predict(frame) == -1).mean())


def test_a_category_column_with_rare_levels_loses_at_most_a_tenth_of_the_faults():
    rng = np.random.default_rng(0)
    train, normal, faults = pumps(rng, 1000), pumps(rng, 1000), pumps(rng, 500, fault=True)
    numbers = ["flow", "power", "open"]
    without = EnergyDetector(random_state=0).fit(train[numbers])
    detector = EnergyDetector(random_state=0).fit(train)
    assert found(without, faults[numbers]) > 0.7
    assert found(detector, faults) >= 0.9 * found(without, faults[numbers])
    assert found(detector, normal) < 0.09


def test_a_level_that_no_training_row_has_is_flagged():
    rng = np.random.default_rng(0)
    detector = EnergyDetector(random_state=0).fit(pumps(rng, 1000))
    assert found(detector, pumps(rng, 200).assign(kind="new")) > 0.5


def test_a_number_that_is_ordinary_for_another_category_is_found():
    rng = np.random.default_rng(0)
    level = rng.integers(0, 3, 900)
    frame = pd.DataFrame({"x": 8.0 * level + rng.normal(size=900), "k": np.array(list("uvw"))[level]})
    wrong = frame.assign(k=frame.k.map({"u": "v", "v": "w", "w": "u"}))
    detector = EnergyDetector(random_state=0).fit(frame[:600])
    assert found(detector, wrong[600:]) > 0.9
    assert found(detector, frame[600:]) < 0.12


@pytest.mark.parametrize("gaps", [0.0, 0.05])
def test_rows_with_every_cell_empty_are_flagged(gaps):
    rng = np.random.default_rng(0)
    frame = pumps(rng, 800).astype({"open": object})
    train = frame.mask(rng.random(frame.shape) < gaps)
    detector = EnergyDetector(random_state=0).fit(train)
    empty = pd.DataFrame({name: [None] * 20 for name in frame}, dtype=object)
    assert found(detector, empty) == 1.0


def test_frames_of_all_libraries_have_equal_scores_and_a_saved_detector_has_them_too(tmp_path):
    rng = np.random.default_rng(0)
    train, new = pumps(rng, 300), pumps(rng, 50).astype({"open": object})
    new.loc[0] = [None, 1.0, "unknown", None]
    detector = EnergyDetector(random_state=0).fit(train)
    expected = detector.score_samples(new)
    columns = {name: [None if pd.isna(cell) else cell for cell in new[name]] for name in new}
    others = [
        pl.DataFrame(columns),
        pa.table(columns),
        new.convert_dtypes(),
        new.astype({"kind": "category"}),
        new.assign(open=new.open.map({True: "true", False: "False"}), flow=new.flow.astype("Float64")),
    ]
    for other in others:
        np.testing.assert_array_equal(detector.score_samples(other), expected)
    detector.save(tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").score_samples(new), expected)
    first = EnergyDetector(random_state=0).fit(pl.from_pandas(train))
    np.testing.assert_array_equal(first.score_samples(new), expected)


def test_a_table_of_categories_alone_can_be_fitted():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.choice(list("uv"), 400), "b": rng.choice(list("xyz"), 400)})
    detector = EnergyDetector(random_state=0).fit(frame)
    assert detector.score_samples(pd.DataFrame({"a": ["?"], "b": ["?"]}))[0] < detector.calibration_scores_[0]


def test_contributions_name_the_wrong_category_and_the_new_gap():
    rng = np.random.default_rng(0)
    train = pumps(rng, 600)
    detector = EnergyDetector(random_state=0).fit(train)
    row = train[:1].astype(object)
    row["kind"] = "new"
    assert detector.feature_contributions(row).argmax() == 2
    row = train[:1].astype(object)
    row["flow"] = None
    assert detector.feature_contributions(row).argmax() == 0


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([None] * 30, "column 'c': all values are missing; leave it out"),
        ([f"id {i}" for i in range(30)], r"column 'c': has another text in every row \(30\).*leave it out"),
        (
            [1.0, 2.0] * 14 + ["x", 3.0],
            "row 28, column 'c': text 'x' in a column of numbers; correct the cell",
        ),
        (pd.date_range("2020-01-01", periods=30), "column 'c': dates or times"),
    ],
)
def test_columns_that_cannot_be_learned_are_refused_in_one_line(column, message):
    frame = pd.DataFrame({"a": np.arange(30.0), "c": column})
    with pytest.raises(InputError, match=message) as error:
        EnergyDetector().fit(frame)
    assert "\n" not in str(error.value)
