"""The k-th nearest row by SciPy, and what unit length ignores."""

import numpy as np
import pytest
from helpers.classifier_outputs import classifier_outputs
from scipy.spatial.distance import cdist

from ebmood.scores import KNN, FitRows, Outputs


@pytest.mark.parametrize(("neighbours", "normalise"), [(1, True), (5, False), (300, True), (10_000, True)])
def test_the_score_is_minus_the_kth_smallest_distance(neighbours, normalise):
    data = classifier_outputs()
    rows, new = data.fit.outputs.features.numpy(), data.new.features.numpy()
    if normalise:
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        new = new / np.linalg.norm(new, axis=1, keepdims=True)
    expected = -np.sort(cdist(new, rows), axis=1)[:, min(neighbours, len(rows)) - 1]
    scores = KNN(neighbours=neighbours, normalise=normalise).fit(data.fit).score_samples(data.new)
    np.testing.assert_allclose(scores, expected, atol=1e-7)


def test_a_row_of_the_fit_is_its_own_nearest_row_at_any_length():
    data = classifier_outputs()
    longer = Outputs(7 * data.fit.outputs.features, data.fit.outputs.logits)
    np.testing.assert_allclose(KNN(neighbours=1).fit(data.fit).score_samples(longer), 0, atol=1e-6)


def test_a_row_of_zeros_is_finite():
    rows = FitRows.of_arrays(np.eye(3), np.eye(3))
    assert np.isfinite(KNN().fit(rows).score_samples(Outputs.of_arrays(np.zeros((1, 3)), np.zeros((1, 3)))))


def test_the_rule_takes_half_of_the_rows_of_a_class_and_fifty_at_most():
    rule = KNN()._neighbours
    assert [rule(10_000, 10), rule(300, 4), rule(10, 8), rule(1000, 10)] == [50, 37, 1, 50]
    assert KNN(neighbours=60)._neighbours(40, 4) == 40
