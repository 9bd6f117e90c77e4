import numpy as np

from ebmood.detector.energy.training_ranges import (
    MAX_RANGES,
    clip_to_ranges,
    lower_distant_scores,
    ranges_outside,
)

RANGES = np.array([[0.0, -1.0], [2.0, 1.0]])


def test_the_most_distant_feature_counts():
    rows = np.array([[1.0, 0.0], [4.0, 0.0], [4.0, 7.0], [-2.0, 0.0]])
    np.testing.assert_allclose(ranges_outside(rows, RANGES), [0, 1, 3, 1])
    assert np.isfinite(ranges_outside(np.full((1, 2), -1.7e308), RANGES)).all()


def test_rows_are_clipped_at_the_maximum_distance():
    np.testing.assert_allclose(clip_to_ranges(np.array([[1.0, 1e300]]), RANGES), [[1.0, 1 + 2 * MAX_RANGES]])


def test_only_distant_rows_are_lowered_and_the_further_the_more():
    rows = np.array([[1.0, 0.0], [150.0, 0.0], [1e3, 0.0], [1e6, 0.0]])
    scores = lower_distant_scores(np.full(4, 5.0), rows, RANGES, lowest=-2.0)
    np.testing.assert_array_equal(scores[:2], [5.0, 5.0])
    assert -2.0 > scores[2] > scores[3]
