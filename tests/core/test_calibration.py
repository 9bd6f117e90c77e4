import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebmood import EbmoodError
from ebmood.core.calibration import (
    allowed_alarms,
    benjamini_hochberg,
    false_alarm_rate,
    offset,
    p_values,
    rows_needed,
    weighted_offsets,
    weighted_p_values,
)

LEVELS = st.integers(1, 999).map(lambda thousandths: thousandths / 1000)
TIED_SCORES = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=60)


@given(LEVELS, st.integers(0, 10_000))
def test_allowed_alarms_is_exact_for_decimal_levels(alpha, rows):
    assert allowed_alarms(alpha, rows) == math.floor(Fraction(round(alpha * 1000), 1000) * (rows + 1))
    assert allowed_alarms(0.29, 99) == 29  # 0.29 * 100 is 28.999999999999996


@given(LEVELS)
def test_rows_needed_is_the_smallest_number_that_allows_an_alarm(alpha):
    rows = rows_needed(alpha)
    assert allowed_alarms(alpha, rows) >= 1
    assert rows == 0 or allowed_alarms(alpha, rows - 1) == 0


@given(TIED_SCORES, TIED_SCORES, LEVELS)
def test_a_score_below_the_offset_has_a_p_value_of_at_most_alpha(calibration, scores, alpha):
    calibration, scores = np.sort(calibration), np.array(scores)
    p = p_values(scores, calibration)
    np.testing.assert_array_equal(scores < offset(calibration, alpha), p <= alpha)


@given(TIED_SCORES, st.floats(-10, 10))
def test_p_values_match_their_definition(calibration, score):
    calibration = np.sort(calibration)
    expected = (1 + sum(s <= score for s in calibration)) / (1 + len(calibration))
    assert p_values(np.array([score]), calibration)[0] == expected


@given(st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=30), LEVELS)
def test_at_most_alpha_of_exchangeable_rows_are_flagged(scores, alpha):
    """Leave each of n + 1 scores out in turn: this is the finite statement behind the guarantee, also with ties."""
    flags = [
        p_values(np.array([s]), np.sort(scores[:i] + scores[i + 1 :]))[0] <= alpha
        for i, s in enumerate(scores)
    ]
    assert sum(flags) <= allowed_alarms(alpha, len(scores) - 1)
    if len(set(scores)) == len(scores):
        assert sum(flags) / len(scores) == false_alarm_rate(alpha, len(scores) - 1)


def test_without_calibration_rows_nothing_is_flagged():
    assert offset(np.array([]), 0.05) == -math.inf
    assert p_values(np.array([-1e300]), np.array([]))[0] == 1.0
    assert offset(np.arange(18.0), 0.05) == -math.inf
    assert offset(np.arange(19.0), 0.05) == 0.0


def test_benjamini_hochberg_on_the_published_example():
    """Benjamini & Hochberg (1995), section 3.2: four of fifteen hypotheses are rejected at 0.05."""
    published = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
    ]
    p = np.array([*published, 0.6528, 0.7590, 1.0])[::-1]
    assert benjamini_hochberg(p, 0.05).tolist() == [False] * 11 + [True] * 4
    assert benjamini_hochberg(np.array([]), 0.05).shape == (0,)


@given(st.lists(st.integers(1, 200), min_size=1, max_size=50), LEVELS)
def test_benjamini_hochberg_equals_the_step_up_rule_in_exact_arithmetic(numerators, fdr):
    p = [Fraction(numerator, 200) for numerator in numerators]
    level = Fraction(round(fdr * 1000), 1000)
    passing = [q for i, q in enumerate(sorted(p), 1) if q * len(p) <= level * i]
    expected = [bool(passing) and q <= max(passing) for q in p]
    assert benjamini_hochberg(np.array([float(q) for q in p]), fdr).tolist() == expected


@pytest.mark.parametrize("alpha", [0, 1, -0.1, 1.5, math.nan, math.inf, "x", "0.05", None])
def test_levels_outside_the_open_unit_interval_are_errors(alpha):
    with pytest.raises(EbmoodError, match=r"alpha=.*above 0 and below 1"):
        allowed_alarms(alpha, 10)
    with pytest.raises(EbmoodError, match="fdr="):
        benjamini_hochberg(np.array([0.1]), alpha)


WEIGHTED_ROWS = st.lists(
    st.tuples(st.integers(-5, 5).map(float), st.integers(1, 9).map(float)), min_size=1, max_size=30
)


def split_rows(rows):
    scores, weights = np.array(sorted(rows)).T
    return scores, weights


@given(WEIGHTED_ROWS, WEIGHTED_ROWS)
def test_weighted_p_values_follow_their_definition(rows, new):
    calibration, weights = split_rows(rows)
    scores, new_weights = split_rows(new)
    expected = [
        (w + sum(v for t, v in rows if t <= s)) / (w + sum(v for _, v in rows))
        for s, w in zip(scores, new_weights, strict=True)
    ]
    np.testing.assert_allclose(
        weighted_p_values(scores, new_weights, calibration, weights), expected, rtol=1e-12
    )


@given(TIED_SCORES, TIED_SCORES, st.floats(1e-6, 1e6), LEVELS)
def test_equal_weights_change_nothing(calibration, new, weight, alpha):
    calibration, scores = np.sort(calibration), np.array(new)
    weights, new_weights = np.full(len(calibration), weight), np.full(len(scores), weight)
    p = weighted_p_values(scores, new_weights, calibration, weights)
    np.testing.assert_allclose(p, p_values(scores, calibration), rtol=1e-12)
    offsets = weighted_offsets(new_weights, calibration, weights, alpha)
    assert (offsets == offset(calibration, alpha)).all()


@given(WEIGHTED_ROWS, WEIGHTED_ROWS, st.sampled_from([0.05, 0.1, 0.25, 0.5, 0.9]))
def test_a_score_below_its_weighted_offset_has_a_p_value_of_at_most_alpha(rows, new, alpha):
    """Weights are whole numbers, so the comparison can be made in exact arithmetic."""
    calibration, weights = split_rows(rows)
    scores, new_weights = split_rows(new)
    level = Fraction(repr(alpha))
    flags = scores < weighted_offsets(new_weights, calibration, weights, alpha)
    for score, weight, flag in zip(scores, new_weights, flags, strict=True):
        below = int(weight + weights[calibration <= score].sum())
        assert flag == (Fraction(below, int(weight + weights.sum())) <= level)


def test_weights_keep_the_level_under_a_covariate_shift_that_breaks_it_without_them():
    """x is N(0, 1) for calibration rows and N(1, 1) for new rows, and the score is -|z| e^x with z from N(0, 1)."""
    rng = np.random.default_rng(0)
    alpha, plain, weighted = 0.1, [], []
    for _ in range(400):
        x, new = rng.normal(0, 1, 100), rng.normal(1, 1, 50)
        scores = -np.abs(rng.normal(size=100)) * np.exp(x)
        new_scores = -np.abs(rng.normal(size=50)) * np.exp(new)
        order = np.argsort(scores)
        plain.append((p_values(new_scores, scores[order]) <= alpha).mean())
        p = weighted_p_values(new_scores, np.exp(new - 0.5), scores[order], np.exp(x - 0.5)[order])
        weighted.append((p <= alpha).mean())
    errors = np.std([plain, weighted], axis=1, ddof=1) / np.sqrt(400)
    assert np.mean(plain) > 2 * alpha
    assert np.mean(weighted) <= alpha + 3 * errors[1]
    assert np.mean(weighted) >= 0.5 * alpha


LEVELS = st.one_of(
    st.floats(1e-6, 1 - 1e-6),
    st.tuples(st.integers(1, 400), st.integers(2, 401)).map(lambda pair: min(pair) / (max(pair) + 1)),
).flatmap(lambda alpha: st.sampled_from([alpha, np.nextafter(alpha, 0), np.nextafter(alpha, 1)]))


@given(LEVELS, st.integers(0, 400))
def test_flags_and_p_values_agree_for_every_level(alpha, rows):
    calibration = np.arange(rows, dtype=float)
    scores = np.arange(-0.5, rows + 1, 0.5)  # below, equal to and between the calibration scores
    np.testing.assert_array_equal(
        scores < offset(calibration, alpha), p_values(scores, calibration) <= float(alpha)
    )
    needed = rows_needed(alpha)
    assert allowed_alarms(alpha, needed) == 1 or needed == 0
    assert needed == 0 or allowed_alarms(alpha, needed - 1) == 0


def test_a_third_of_the_rows_is_flagged_at_one_third():
    assert allowed_alarms(1 / 3, 2) == 1
    assert allowed_alarms(np.nextafter(1 / 3, 0), 2) == 0
    assert rows_needed(1 / 3) == 2
