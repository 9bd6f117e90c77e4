"""Calibration scores by segment and by weight."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebmood import InputError
from ebmood.core.calibration import false_alarm_rate, p_values
from ebmood.detector.calibration_scores import CalibrationScores

NAN = float("nan")
MANY = 20


def test_a_row_is_compared_with_its_own_segment_if_that_is_large_enough():
    scores = np.arange(100.0)
    segments = np.repeat([0.0, 1.0, 2.0, 3.0, NAN], [30, MANY, 10, 15, 25])
    calibration = CalibrationScores.of_rows(scores[::-1], segments[::-1], least=MANY)
    new = np.full(7, 40.0)
    values = np.array([0.0, 1.0, 2.0, 3.0, NAN, 9.0, -0.5])
    pooled = np.concatenate([scores[50:60], scores[60:75]])
    expected = [
        p_values(new[:1], part)[0]
        for part in (scores[:30], scores[30:50], pooled, pooled, scores[75:], pooled, pooled)
    ]
    np.testing.assert_array_equal(calibration.p_values(new, values), expected)


def test_few_pooled_rows_are_compared_with_all_rows():
    segments = np.repeat([0.0, 1.0], [40, MANY - 1])
    scores = np.random.default_rng(0).normal(size=len(segments))
    calibration = CalibrationScores.of_rows(scores, segments, least=MANY)
    assert calibration.without_rate == [1.0]
    new = np.linspace(-3, 3, 9)
    for value in (1.0, 7.0, NAN):
        np.testing.assert_array_equal(
            calibration.p_values(new, np.full(9, value)), p_values(new, np.sort(scores))
        )


@given(
    st.lists(st.tuples(st.integers(-5, 5), st.sampled_from([0.0, 1.0, 2.0, NAN])), min_size=1, max_size=80),
    st.sampled_from([0.05, 0.1, 0.5]),
    st.booleans(),
    st.integers(1, 40),
)
def test_flags_agree_with_p_values_and_the_rate_is_the_mean_of_the_segments(rows, alpha, weighted, least):
    scores, segments = np.array(rows, dtype=np.float64).T
    weights = np.ones(len(scores)) if weighted else None
    calibration = CalibrationScores.of_rows(scores, segments, weights, least)
    new = np.array([(score, segment) for score in range(-6, 6) for segment in (0, 1, 2, 5, NAN)]).T
    new_weights = np.ones(len(new[0])) if weighted else None
    p = calibration.p_values(new[0], new[1], new_weights)
    offsets = calibration.offsets(len(new[0]), new[1], alpha, new_weights)
    np.testing.assert_array_equal(new[0] < offsets, p <= alpha + 1e-9)
    if not weighted:
        sizes = {s: len(group.scores) for s, group in calibration.own.items()}
        rates = [
            false_alarm_rate(alpha, sizes.get(np.inf if np.isnan(s) else s, len(calibration.others.scores)))
            for s in segments
        ]
        assert calibration.false_alarm_rate(alpha) == pytest.approx(np.mean(rates))


def test_a_pool_of_all_rows_has_a_rate():
    segments = np.repeat(np.arange(10.0), 10)
    calibration = CalibrationScores.of_rows(np.arange(100.0), segments, least=19)
    assert calibration.own == {}
    assert calibration.without_rate == []


def test_every_segment_and_the_pool_keep_the_level():
    """Simulated scores whose spread differs between segments, of which three are rare."""
    rng = np.random.default_rng(0)
    shares, spreads, alpha, repeats = [0.6, 0.3, 0.04, 0.03, 0.03], [1, 5, 3, 0.5, 9], 0.1, 500
    rates = {"own 0": [], "own 1": [], "pool": []}
    for _ in range(repeats):
        segments, new = (rng.choice(5, rows, p=shares).astype(float) for rows in (500, 400))
        draw = lambda values: rng.normal(size=len(values)) * np.array(spreads)[values.astype(int)]  # noqa: E731
        calibration = CalibrationScores.of_rows(draw(segments), segments, least=MANY)
        p = calibration.p_values(draw(new), new)
        in_pool = ~np.isin(new, list(calibration.own))
        rates["own 0"].append((p[new == 0] <= alpha).mean())
        rates["own 1"].append((p[new == 1] <= alpha).mean())
        if in_pool.any() and len(calibration.others.scores) < 500:
            rates["pool"].append((p[in_pool] <= alpha).mean())
    for name, values in rates.items():
        assert len(values) > repeats / 2, name
        error = np.std(values, ddof=1) / np.sqrt(len(values))
        assert abs(np.mean(values) - alpha) < 0.01 + 3 * error, name
        assert np.mean(values) <= alpha + 3 * error, name


@pytest.mark.parametrize(
    ("fitted", "given_", "message"),
    [
        ({}, {"segments": np.zeros(1)}, "fitted without segments"),
        ({"segments": np.zeros(3)}, {}, "every row needs one"),
        ({}, {"weights": np.ones(1)}, "recalibrate"),
        ({"weights": np.ones(3)}, {}, "every row needs one"),
        ({"weights": np.ones(3)}, {"weights": np.ones(2)}, r"shape \(2,\), but there are 1 rows"),
        ({"weights": np.ones(3)}, {"weights": [0.0]}, "row 0: 0.0; must be positive"),
        ({"weights": np.ones(3)}, {"weights": [NAN]}, "row 0: nan; must be positive"),
        ({"weights": np.ones(3)}, {"weights": ["x"]}, "must be numbers"),
    ],
)
def test_missing_and_superfluous_segments_and_weights_are_errors(fitted, given_, message):
    calibration = CalibrationScores.of_rows(np.arange(3.0), **fitted)
    with pytest.raises(InputError, match=message):
        calibration.p_values(np.zeros(1), given_.get("segments"), given_.get("weights"))
