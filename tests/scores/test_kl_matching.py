"""KL matching against SciPy, and at the typical distributions themselves."""

import numpy as np
import torch
from helpers.classifier_outputs import classifier_outputs
from scipy.special import rel_entr, softmax

from ebmood.scores import FitRows, KLMatching, Outputs


def test_the_score_is_minus_the_smallest_divergence_by_scipy():
    data = classifier_outputs()
    p, q = softmax(data.fit.outputs.logits.numpy(), axis=1), softmax(data.new.logits.numpy(), axis=1)
    typical = [p[p.argmax(1) == k].mean(0) for k in np.unique(p.argmax(1))]
    expected = -np.min([rel_entr(q, d).sum(1) for d in typical], axis=0)
    np.testing.assert_allclose(KLMatching().fit(data.fit).score_samples(data.new), expected, atol=1e-12)


def test_a_typical_distribution_has_the_largest_score_of_zero():
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    rows = FitRows(Outputs(torch.zeros(2, 1, dtype=torch.float64), logits))
    scores = KLMatching().fit(rows).score_samples(rows.outputs)
    np.testing.assert_allclose(scores, 0, atol=1e-15)


def test_classes_that_are_never_predicted_are_left_out_and_certain_rows_are_finite():
    logits = torch.tensor([[2000.0, 0.0, 0.0], [2000.0, 1.0, 0.0]], dtype=torch.float64)
    rows = FitRows(Outputs(torch.zeros(2, 1, dtype=torch.float64), logits))
    fitted = KLMatching().fit(rows)
    assert fitted.log_typical.shape == (1, 3)
    assert np.isfinite(fitted.score_samples(Outputs(rows.outputs.features, logits.flip(1)))).all()
