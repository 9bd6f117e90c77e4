"""The Mahalanobis score does not depend on the coordinates of features, and is zero at a class mean."""

import numpy as np
import torch
from helpers.classifier_outputs import classifier_outputs

from ebmood.scores import FitRows, Mahalanobis, Outputs


def test_an_invertible_map_of_the_features_changes_nothing():
    data = classifier_outputs()
    matrix = torch.from_numpy(np.random.default_rng(5).normal(size=(12, 12)))

    def mapped(rows: Outputs) -> Outputs:
        return Outputs(rows.features @ matrix + 3, rows.logits)

    score = Mahalanobis(ridge=0.0)
    expected = score.fit(data.fit).score_samples(data.new)
    scores = score.fit(FitRows(mapped(data.fit.outputs), data.fit.labels)).score_samples(mapped(data.new))
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_class_means_have_the_largest_score_of_zero():
    data = classifier_outputs()
    fitted = Mahalanobis().fit(data.fit)
    scores = fitted.score_samples(Outputs(fitted.means, torch.zeros(4, 4, dtype=torch.float64)))
    np.testing.assert_allclose(scores, 0, atol=1e-9)


def test_more_columns_than_rows_give_finite_scores():
    rng = np.random.default_rng(0)
    rows = FitRows.of_arrays(rng.normal(size=(8, 30)), rng.normal(size=(8, 2)), [0, 1] * 4)
    new = Outputs.of_arrays(rng.normal(size=(5, 30)), rng.normal(size=(5, 2)))
    assert np.isfinite(Mahalanobis().fit(rows).score_samples(new)).all()
