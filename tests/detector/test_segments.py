"""Thresholds per segment."""

import warnings

import numpy as np
import pandas as pd
import pytest
from helpers.lines import NOISE, draw_lines
from helpers.quick_energy import QUICK

from ebmood import CalibrationWarning, EnergyDetector, InputError, load
from ebmood.core.calibration import false_alarm_rate
from ebmood.detector.parameters import split_within_segments


def fit(frame, **parameters) -> EnergyDetector:
    with warnings.catch_warnings(action="ignore"):
        return EnergyDetector(energy=QUICK, segment="line", random_state=0, **parameters).fit(frame)


@pytest.mark.slow
def test_false_alarms_of_each_line_are_alpha_and_not_without_segments():
    """Mean over splits. `benchmarks/living.py segments` uses 200 of them."""
    rng, rates, plain = np.random.default_rng(0), [], []
    for seed in range(14):
        train, new = draw_lines(700, rng), draw_lines(1000, rng)
        for segment, into in (("line", rates), (None, plain)):
            detector = EnergyDetector(alpha=0.1, energy=QUICK, segment=segment, random_state=seed)
            with warnings.catch_warnings(action="ignore"):
                flags = detector.fit(train).predict(new) == -1
            into.append([flags[new["line"] == line].mean() for line in NOISE])
    means, errors = np.mean(rates, axis=0), np.std(rates, axis=0, ddof=1) / np.sqrt(len(rates))
    assert (means <= 0.1 + 3 * errors).all(), means
    assert (means >= 0.05).all(), means
    assert np.mean(plain, axis=0)[2] > 0.4
    assert np.mean(plain, axis=0)[0] < 0.05


def test_the_methods_agree():
    rng = np.random.default_rng(1)
    train, new = draw_lines(1500, rng), draw_lines(300, rng)
    detector = fit(train)
    assert (fit(train).score_samples(new) == detector.score_samples(new)).all()
    p = detector.p_values(new)
    np.testing.assert_array_equal(detector.predict(new) == -1, p <= 0.05)
    np.testing.assert_array_equal(detector.decision_function(new) < 0, p <= 0.05)
    np.testing.assert_array_equal(detector.predict(new, alpha=0.3) == -1, p <= 0.3)
    thresholds = {segment.name: segment.threshold for segment in detector.segments_}
    expected = detector.score_samples(new) - new["line"].map(thresholds).to_numpy()
    np.testing.assert_array_equal(detector.decision_function(new), expected)
    for segment in detector.segments_:
        assert segment.calibration_rows == pytest.approx(0.2 * (train["line"] == segment.name).sum(), abs=1)
        assert segment.false_alarm_rate == false_alarm_rate(0.05, segment.calibration_rows)
    assert detector.set_alpha(0.3).segments_[0].threshold > thresholds[detector.segments_[0].name]
    np.testing.assert_array_equal(detector.predict(new) == -1, p <= 0.3)
    assert detector.select(new, fdr=0.5).dtype == bool


def test_small_and_unknown_segments_are_pooled():
    rng = np.random.default_rng(2)
    train = draw_lines(600, rng)
    train.loc[:69, "line"] = "rare"  # 14 calibration rows, of which 19 are needed
    train.loc[70:129, "line"] = None  # 12 calibration rows
    detector = fit(train)
    pooled = {segment.name for segment in detector.segments_ if segment.pooled}
    assert pooled >= {"rare", "(missing)"}
    assert {segment.name for segment in detector.segments_} == {*NOISE, "rare", "(missing)"}
    new = draw_lines(4, rng).assign(line=["rare", None, "never seen", "quiet"])
    scores = np.full(4, -1.0)
    rows = detector._read(new).values
    p = detector.decide(scores, segments=detector.segments_of(rows)).p_values
    assert p[0] == p[1] == p[2] != p[3]


@pytest.mark.parametrize("calibration", ["loo", 0.3, 60])
def test_a_column_of_numbers_can_be_the_segment(calibration):
    """It stays a number as a feature. Its segments are those of the equal category column."""
    rng = np.random.default_rng(3)
    train, new = draw_lines(300, rng), draw_lines(100, rng)
    train, new = (
        frame.assign(line=frame["line"].map({"quiet": 1, "middle": 2, "noisy": 3})) for frame in (train, new)
    )
    detector = fit(train, calibration=calibration)
    by_number = EnergyDetector(energy=QUICK, segment=2, random_state=0, calibration=calibration)
    with warnings.catch_warnings(action="ignore"):
        by_number.fit(train.to_numpy())
    assert [segment.name for segment in detector.segments_] == ["1", "2", "3"]
    np.testing.assert_array_equal(detector.p_values(new), by_number.p_values(new.to_numpy()))
    assert not detector.levels_
    if calibration == 60:
        assert sum(segment.calibration_rows for segment in detector.segments_) == 60


def test_an_embedding_has_the_segments_of_its_inputs():
    import torch
    from torch import nn

    torch.manual_seed(0)
    rng = np.random.default_rng(6)
    train = draw_lines(500, rng)
    train["line"] = train["line"].map({"quiet": 1.0, "middle": 2.0, "noisy": 3.0})
    x = train.to_numpy().astype(float)
    detector = EnergyDetector(energy=QUICK, segment=2, random_state=0, embed=nn.Linear(3, 2), calibration=0.5)
    with warnings.catch_warnings(action="ignore"):
        detector.fit(x)
    assert [segment.name for segment in detector.segments_] == ["1", "2", "3"]
    np.testing.assert_array_equal(detector.predict(x) == -1, detector.p_values(x) <= 0.05)


def test_segments_survive_saving(tmp_path):
    rng = np.random.default_rng(4)
    train, new = draw_lines(500, rng), draw_lines(200, rng)
    train.loc[:149, "line"] = None
    detector = fit(train)
    detector.save(tmp_path / "m")
    loaded = load(tmp_path / "m")
    assert loaded.segments_ == detector.segments_
    new.loc[:20, "line"] = None
    np.testing.assert_array_equal(loaded.p_values(new), detector.p_values(new))
    assert loaded.segment == "line"


@pytest.mark.parametrize(
    ("segment", "X", "message"),
    [
        ("site", draw_lines(60, np.random.default_rng(0)), "'site': no such column .the columns are flow"),
        ("line", np.ones((60, 3)), "X has no column names"),
        (3, np.ones((60, 3)), "columns 0 to 2"),
        (-1, np.ones((60, 3)), "columns 0 to 2"),
        (True, np.ones((60, 3)), "must be the name or the number"),
        (0, np.ones((60, 1, 4, 4)), "needs a table"),
    ],
)
def test_a_column_that_does_not_exist_is_an_error(segment, X, message):
    with pytest.raises(InputError, match=message):
        EnergyDetector(segment=segment).fit(X)


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.SelfTestWarning")
def test_a_segment_that_is_compared_with_all_rows_warns_and_the_advice_helps():
    frame = draw_lines(400, np.random.default_rng(0))
    detector = EnergyDetector(energy=QUICK, segment="line", random_state=0)
    with pytest.warns(
        CalibrationWarning, match="noisy has 10 calibration rows and needs 19 .*calibration='loo'"
    ):
        detector.fit(frame)
    rates = {segment.name: segment.false_alarm_rate for segment in detector.segments_}
    assert rates["noisy"] is None
    assert rates["quiet"] > 0
    assert all(segment.false_alarm_rate for segment in fit(frame, calibration="loo").segments_)


def test_scores_need_their_segments_and_onnx_is_refused(tmp_path):
    detector = fit(draw_lines(300, np.random.default_rng(0)))
    with pytest.raises(InputError, match="every row needs one"):
        detector.decide(np.zeros(2))
    pytest.importorskip("onnxruntime")
    from ebmood.detector.persistence.onnx_export import export_onnx

    with pytest.raises(InputError, match="no p-values by segment"):
        export_onnx(detector, tmp_path / "m.onnx")


@pytest.mark.parametrize("fraction", [0.2, 1 / 3, 0.07])
def test_the_split_takes_the_fraction_of_every_segment_at_random(fraction):
    segments = np.repeat([0.0, 1.0, 2.0, np.nan], [100, 37, 3, 60])
    chosen, repeats = np.zeros(200), 2000
    for seed in range(repeats):
        training, calibration = split_within_segments(fraction, segments, np.random.default_rng(seed))
        assert sorted([*training, *calibration]) == list(range(200))
        for value in (0.0, 1.0, 2.0):
            share = (segments[calibration] == value).sum() - fraction * (segments == value).sum()
            assert abs(share) < 1
        chosen[calibration] += 1
    error = np.sqrt(fraction * (1 - fraction) / repeats)
    assert np.abs(chosen / repeats - fraction).max() < 4.5 * error


def test_pandas_and_polars_agree():
    import polars as pl

    rng = np.random.default_rng(5)
    train, new = draw_lines(300, rng), draw_lines(50, rng)
    frames = [pl.DataFrame({name: frame[name].tolist() for name in frame}) for frame in (train, new)]
    np.testing.assert_array_equal(fit(frames[0]).p_values(frames[1]), fit(train).p_values(new))
    assert isinstance(train, pd.DataFrame)
