"""ReAct: a percentile of 100 is the energy of the logits, and the clipping by NumPy."""

import numpy as np
from helpers.classifier_outputs import classifier_outputs
from scipy.special import logsumexp

from ebmood.scores import Energy, ReAct


def test_no_row_of_the_fit_is_clipped_at_a_percentile_of_100():
    rows = classifier_outputs().fit
    scores = ReAct(percentile=100.0).fit(rows).score_samples(rows.outputs)
    np.testing.assert_allclose(scores, Energy().fit(rows).score_samples(rows.outputs))


def test_the_score_is_that_of_numpy():
    data = classifier_outputs()
    assert data.fit.head is not None
    largest = np.quantile(data.fit.outputs.features.numpy().ravel(), 0.8)
    weight, bias = data.fit.head.weight.numpy(), data.fit.head.bias.numpy()
    expected = logsumexp(np.minimum(data.new.features.numpy(), largest) @ weight.T + bias, axis=1)
    np.testing.assert_allclose(ReAct(percentile=80.0).fit(data.fit).score_samples(data.new), expected)
